//! `POST /-/reload`: asks the program to load its configuration again and tells what came of it.
//!
//! Not here: loading and applying; the program takes [`Reload`]s from the channel's other end.

use std::time::Duration;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::{mpsc, oneshot};

use super::{AdminState, problem::Problem};

/// One runs, one waits: a third caller learns nothing that the waiting one does not.
const WAITING_MAX: usize = 1;
/// Loading reads some files; who waits longer is told that it goes on.
const REPLY_MAX: Duration = Duration::from_secs(30);

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The new configuration is in effect.
    Applied,
    /// It has problems, one per line, and the old one stays in effect.
    Refused(Vec<String>),
}

/// A wish to reload.
#[derive(Debug)]
pub struct Reload {
    reply: oneshot::Sender<ReloadOutcome>,
}

impl Reload {
    /// Tells the one who asked. Nobody may be listening any more.
    pub fn done(self, outcome: ReloadOutcome) {
        drop(self.reply.send(outcome));
    }
}

/// Where wishes to reload go in.
#[derive(Debug, Clone)]
pub struct ReloadHandle(mpsc::Sender<Reload>);

impl ReloadHandle {
    /// The handle, and the end from which the program takes the wishes.
    pub fn channel() -> (Self, mpsc::Receiver<Reload>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }
}

/// 200 when applied, 202 when it takes long, 422 with every problem when refused, 503 when another one waits or we stop.
/// A body is not read: nobody can make us wait for one or hold it.
pub(super) async fn post(State(state): State<AdminState>) -> Response {
    let (reply, answer) = oneshot::channel();
    let unavailable = |text| Problem::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    match state.reload.0.try_send(Reload { reply }) {
        Ok(()) => {}
        Err(mpsc::error::TrySendError::Full(_)) => return unavailable("another reload is waiting"),
        Err(mpsc::error::TrySendError::Closed(_)) => return unavailable("shutting down"),
    }
    match tokio::time::timeout(REPLY_MAX, answer).await {
        Ok(Ok(ReloadOutcome::Applied)) => {
            (StatusCode::OK, "the configuration is in effect\n").into_response()
        }
        Ok(Ok(ReloadOutcome::Refused(problems))) => {
            let mut text = problems.join("\n");
            text.push('\n');
            (StatusCode::UNPROCESSABLE_ENTITY, text).into_response()
        }
        Ok(Err(_)) => unavailable("shutting down"),
        Err(_) => (StatusCode::ACCEPTED, "the configuration is being loaded\n").into_response(),
    }
}
