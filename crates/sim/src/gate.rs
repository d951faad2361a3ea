//! Whether a BMC can be reached: what the network or the power does to it, before any HTTP. The same gate
//! holds in process (`Bmc::handle`) and on sockets (`listener.rs`). It does not touch streams that are open;
//! the levers do.

use tokio::{sync::watch, time::Instant};

/// What happens to somebody who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// The BMC answers.
    Up,
    /// Nobody listens: connection refused.
    Refusing,
    /// Connections open, then nothing ever comes.
    BlackHole,
    /// Connections open and are reset.
    Resetting,
}

/// The state of the gate: as set, and closed by a reboot until a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    set: Reachability,
    down_until: Option<Instant>,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self { set: Reachability::Up, down_until: None }
    }

    pub(crate) fn set(&mut self, reachability: Reachability) {
        self.set = reachability;
    }

    pub(crate) fn down_until(&mut self, until: Instant) {
        self.down_until = Some(until);
    }

    /// What holds at `now`.
    pub(crate) fn at(&self, now: Instant) -> Reachability {
        if self.down_until.is_some_and(|until| now < until) { Reachability::Refusing } else { self.set }
    }

    /// When that may change without a lever.
    fn changes_at(&self, now: Instant) -> Option<Instant> {
        self.down_until.filter(|until| now < *until)
    }
}

/// Waits until the gate is in another state than `from`; for ever once the BMC is gone.
pub(crate) async fn left(gate: &mut watch::Receiver<Gate>, from: Reachability) {
    loop {
        let now = Instant::now();
        let seen = *gate.borrow_and_update();
        if seen.at(now) != from {
            return;
        }
        let changed = match seen.changes_at(now) {
            Some(at) => tokio::select! {
                changed = gate.changed() => changed,
                () = tokio::time::sleep_until(at) => Ok(()),
            },
            None => gate.changed().await,
        };
        if changed.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
