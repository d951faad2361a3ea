//! Levers on what goes over the open streams: raw bytes, batches, events that come again. What is pushed here
//! goes to all streams that are open now, unless the event service is disabled or the streams are silent.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    bmc::{Bmc, State},
    event::{self, EventIds},
    levers::{StreamBehaviour, Way},
    profile::EventServiceState,
    truth::{Logged, Severity},
};

/// So many of the last pushed events can come again under the same ids.
const SENT_MAX: usize = 256;

/// What is to happen, for batches.
#[derive(Clone, Copy, Debug)]
pub struct Happening<'a> {
    /// Severity.
    pub severity: Severity,
    /// `MessageId`.
    pub message_id: &'a str,
    /// `MessageArgs`; the token is added.
    pub args: &'a [&'a str],
    /// `Message`; the token is added.
    pub message: &'a str,
}

/// Under which ids an event comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendIds {
    /// Those it had, when it was among the last 256 pushed; else new ones (T62).
    SameIds,
    /// New ones (T60, T73).
    NewIds,
}

impl Bmc {
    /// Sends these bytes as they are.
    pub fn push_raw(&self, bytes: impl AsRef<[u8]>) {
        let frame = Bytes::copy_from_slice(bytes.as_ref());
        self.lock().streams.iter().for_each(|queue| queue.push(frame.clone()));
    }

    /// From now on every Event is passed through this before it is sent; a later call replaces it.
    pub fn edit_events(&self, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().event_edit = Some(Arc::new(edit));
    }

    /// Several events that stand in no log, in one frame.
    pub fn push_batch(&self, events: &[Happening<'_>]) -> Vec<Logged> {
        self.batch(Way::StreamOnly, 0, events)
    }

    /// Several entries of one log, pushed in one frame (T58).
    pub fn log_batch(&self, log: usize, events: &[Happening<'_>]) -> Vec<Logged> {
        self.batch(Way::LogAndStream, log, events)
    }

    fn batch(&self, way: Way, log: usize, events: &[Happening<'_>]) -> Vec<Logged> {
        let mut state = self.lock();
        let written: Vec<(Logged, bool)> = events
            .iter()
            .map(|event| {
                let Happening { severity, message_id, args, message } = *event;
                let mut logged = self.happening(severity, message_id, args, message);
                self.sign(&mut state, &mut logged);
                let logged = self.write_down(way, log, &mut state, logged);
                (logged, self.pushes(way, &state))
            })
            .collect();
        let pushed: Vec<&Logged> =
            written.iter().filter(|(_, pushes)| *pushes).map(|(logged, _)| logged).collect();
        self.push(&mut state, &pushed);
        written.into_iter().map(|(logged, _)| logged).collect()
    }

    /// The newest entry of a log happens again: the same text and arguments, the token in them included. Only
    /// [`Logged::token`] of what is returned is new, so the truth holds both (T23). Nothing happens to an empty
    /// log.
    pub fn log_again(&self, log: usize) -> Option<Logged> {
        let mut state = self.lock();
        let newest = Logged::clone(state.logs[log].newest()?);
        Some(self.happen(Way::LogAndStream, log, &mut state, newest))
    }

    /// Sends all that a log holds as one Event with new ids (T60).
    pub fn resend_log(&self, log: usize) {
        let mut state = self.lock();
        let held: Vec<Arc<Logged>> =
            state.logs[log].readable().map(|item| Arc::clone(&item.logged)).collect();
        let events: Vec<&Logged> = held.iter().map(AsRef::as_ref).collect();
        self.push(&mut state, &events);
    }

    /// Sends an earlier event again, whether it was pushed then or not; nothing is sent for a token that the
    /// truth does not hold (T62, T69, T73).
    pub fn resend_event(&self, token: &str, ids: ResendIds) {
        let mut state = self.lock();
        let Some(logged) = state.truth.iter().rfind(|logged| logged.token == token).cloned() else { return };
        let same = state.sent.iter().rfind(|(sent, _)| sent == token).map(|(_, ids)| *ids);
        match same.filter(|_| ids == ResendIds::SameIds) {
            Some(ids) if state.live() => self.send(&state, &[(&logged, ids)]),
            Some(_) => {}
            None => self.push(&mut state, &[&logged]),
        }
    }

    /// Pushes events in one frame under new ids, if anything is pushed at all now. The ids count events, whether
    /// somebody listens or not.
    pub(crate) fn push(&self, state: &mut State, events: &[&Logged]) {
        if !state.live() || events.is_empty() {
            return;
        }
        let events: Vec<(&Logged, EventIds)> =
            events.iter().map(|event| (*event, self.next_ids(state))).collect();
        if state.streams.is_empty() {
            return;
        }
        for (logged, ids) in &events {
            if state.sent.len() >= SENT_MAX {
                state.sent.pop_front();
            }
            state.sent.push_back((logged.token.clone(), *ids));
        }
        self.send(state, &events);
    }

    /// The first line after a start sends the whole log to the first stream, and only the line to the others.
    pub(crate) fn push_burst(&self, state: &mut State, log: usize, logged: &Logged) {
        if !state.live() || state.streams.is_empty() {
            return;
        }
        state.logs[log].burst_due = false;
        let first = state.streams.remove(0);
        if !state.streams.is_empty() {
            self.push(state, &[logged]);
        }
        state.streams.insert(0, Arc::clone(&first));
        let held: Vec<Arc<Logged>> =
            state.logs[log].readable().map(|item| Arc::clone(&item.logged)).collect();
        let events: Vec<(&Logged, EventIds)> =
            held.iter().map(|logged| (&**logged, self.next_ids(state))).collect();
        first.push(event::frame(&self.config.profile, &events, state.event_edit.as_ref()));
    }

    fn next_ids(&self, state: &mut State) -> EventIds {
        EventIds::next(self.config.profile.record, &mut state.event_ids)
    }

    fn send(&self, state: &State, events: &[(&Logged, EventIds)]) {
        let frame = event::frame(&self.config.profile, events, state.event_edit.as_ref());
        state.streams.iter().for_each(|queue| queue.push(frame.clone()));
    }
}

impl State {
    /// Whether events are published at all.
    pub(crate) fn live(&self) -> bool {
        self.event_service == EventServiceState::Enabled && self.stream_behaviour != StreamBehaviour::Silent
    }
}
