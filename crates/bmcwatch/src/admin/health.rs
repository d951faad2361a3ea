//! Is the process alive, and is it ready? Ready means: the journal is open, discovery has made its first pass, and we
//! are not shutting down. It never depends on BMCs or sinks: a dead BMC must not take the daemon out of service.

use std::fmt::Write;

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::AdminState;

/// Three facts; all must be as they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// The journal is open.
    pub journal_open: bool,
    /// Discovery has made its first pass.
    pub discovered: bool,
    /// Shutdown has begun.
    pub stopping: bool,
}

impl Readiness {
    fn checks(self) -> [(&'static str, bool, &'static str); 3] {
        [
            ("journal", self.journal_open, "the journal is not open yet"),
            ("discovery", self.discovered, "discovery has not made its first pass yet"),
            ("shutdown", !self.stopping, "shutting down"),
        ]
    }

    /// Ready, or the first reason why not.
    pub fn verdict(self) -> Result<(), &'static str> {
        self.checks().iter().find(|(_, good, _)| !good).map_or(Ok(()), |(_, _, reason)| Err(reason))
    }

    /// One line per fact, as Kubernetes' own components show them.
    fn verbose(self) -> String {
        let mut text = String::new();
        for (name, good, reason) in self.checks() {
            let line = if good {
                writeln!(text, "[+]{name} ok")
            } else {
                writeln!(text, "[-]{name} failed: {reason}")
            };
            line.expect("a String takes every write");
        }
        text.push_str(if self.verdict().is_ok() { "ready\n" } else { "not ready\n" });
        text
    }
}

/// Alive: that this is answered is the proof.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 when ready, 503 with the reason when not; `?verbose` shows every fact.
pub(super) async fn ready(State(state): State<AdminState>, RawQuery(query): RawQuery) -> Response {
    let readiness = *state.readiness.borrow();
    let verdict = readiness.verdict();
    let status = if verdict.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose =
        query.is_some_and(|query| query.split('&').any(|key| key.split('=').next() == Some("verbose")));
    let text = match verdict {
        _ if verbose => readiness.verbose(),
        Ok(()) => "ready\n".to_owned(),
        Err(reason) => format!("not ready: {reason}\n"),
    };
    (status, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_thing_that_is_missing_is_the_reason() {
        let nothing = Readiness::default();
        assert_eq!(nothing.verdict(), Err("the journal is not open yet"));
        let open = Readiness { journal_open: true, ..nothing };
        assert_eq!(open.verdict(), Err("discovery has not made its first pass yet"));
        let ready = Readiness { discovered: true, ..open };
        assert_eq!(ready.verdict(), Ok(()));
        assert_eq!(Readiness { stopping: true, ..ready }.verdict(), Err("shutting down"));
    }

    #[test]
    fn verbose_shows_every_fact() {
        let text = Readiness { journal_open: true, discovered: false, stopping: false }.verbose();
        let expected = "[+]journal ok\n[-]discovery failed: discovery has not made its first pass yet\n\
                        [+]shutdown ok\nnot ready\n";
        assert_eq!(text, expected);
    }
}
