//! Wall time, handed in: the only way our code learns what time of day it is.
//!
//! Not here: durations, timers and deadlines. Those are `tokio::time`, which tests can pause.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};

/// A clock that tells UTC. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
        Self::from_fn(Utc::now)
    }

    /// A clock that asks `now`: simulations tie it to their virtual time.
    pub fn from_fn(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
