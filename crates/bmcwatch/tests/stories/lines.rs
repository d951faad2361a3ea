//! The log of a run, kept in memory with virtual times, so that a story can count what an operator would have read.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bmcwatch::logging::{Format, subscriber};
use model::Clock;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The lines so far.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Keeps what this thread logs while the guard lives.
    pub(crate) fn listen(&self, clock: Clock) -> DefaultGuard {
        let made = subscriber("info,collect=debug", Format::Json, clock, self.clone());
        let (subscriber, _) = made.expect("the level is a valid one");
        tracing::subscriber::set_default(subscriber)
    }

    /// Everything, one JSON object a line.
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).expect("lines are UTF-8")
    }

    /// The lines that hold all of these, told to operators (info and above).
    pub(crate) fn told(&self, parts: &[&str]) -> Vec<String> {
        let text = self.text();
        let told = text.lines().filter(|line| !line.contains(r#""level":"debug""#));
        told.filter(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned).collect()
    }

    /// The lines that operators read about one endpoint.
    pub(crate) fn about(&self, endpoint: &str) -> Vec<String> {
        self.told(&[&format!(r#""endpoint":"{endpoint}""#)])
    }

    /// The warnings about one endpoint.
    pub(crate) fn warnings(&self, endpoint: &str) -> Vec<String> {
        self.told(&[&format!(r#""endpoint":"{endpoint}""#), r#""level":"warn""#])
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
