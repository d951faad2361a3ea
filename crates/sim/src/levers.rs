//! The lever board of a BMC: what a test or a script does to it. Levers act at once and never wait; each
//! holds until the next one of its kind.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use http::StatusCode;
use tokio::time::Instant;

use crate::{
    bmc::{Bmc, State},
    event::{self, EventIds},
    gate::Reachability,
    profile::{EventServiceState, Push, WhenDisabled},
    stream::End,
    truth::{Counts, Logged, Severity},
};

/// The truth keeps this many happenings, the newest; about 0.5 GB, more than any test or demo logs.
const TRUTH_MAX: usize = 1 << 20;

/// What a request for the stream gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamBehaviour {
    /// A stream.
    Serve,
    /// 200 and the end at once (T52).
    CloseAtOnce,
    /// 404.
    NotFound,
    /// This status with a Redfish error.
    Status(u16),
    /// 200 with a login page.
    WrongContentType,
    /// A stream on which nothing ever comes, though entries are logged (T53, T57).
    Silent,
}

/// Where a happening goes.
#[derive(Clone, Copy)]
enum Way {
    LogAndStream,
    LogOnly,
    StreamOnly,
}

impl Bmc {
    /// Writes an entry to the first log and pushes it on the open streams, as the profile has it. The token
    /// is added to the arguments and the message.
    pub fn log(&self, severity: Severity, message_id: &str, args: &[&str], message: &str) -> Logged {
        self.log_in(0, severity, message_id, args, message)
    }

    /// The same for the log at a place in [`crate::Profile::logs`]; panics where there is none.
    pub fn log_in(
        &self,
        log: usize,
        severity: Severity,
        message_id: &str,
        args: &[&str],
        message: &str,
    ) -> Logged {
        self.happen(
            Way::LogAndStream,
            log,
            &mut self.lock(),
            self.happening(severity, message_id, args, message),
        )
    }

    /// Writes an entry to the first log and pushes nothing (T71).
    pub fn log_silently(&self, severity: Severity, message_id: &str, args: &[&str], message: &str) -> Logged {
        self.happen(Way::LogOnly, 0, &mut self.lock(), self.happening(severity, message_id, args, message))
    }

    /// Pushes an event that stands in no log.
    pub fn push_only(&self, severity: Severity, message_id: &str, args: &[&str], message: &str) -> Logged {
        self.happen(Way::StreamOnly, 0, &mut self.lock(), self.happening(severity, message_id, args, message))
    }

    /// Clears the first log.
    pub fn clear_log(&self) {
        self.clear_log_in(0);
    }

    /// Clears the log at a place in [`crate::Profile::logs`]; panics where there is none.
    pub fn clear_log_in(&self, log: usize) {
        self.lock().logs[log].clear();
    }

    /// Breaks all streams off: the reader sees an error.
    pub fn cut_streams(&self) {
        self.lock().end_streams(End::Broken);
    }

    /// Ends all streams orderly, after what is still queued (T65).
    pub fn end_streams(&self) {
        self.lock().end_streams(End::Orderly);
    }

    /// Opens or closes the way to the BMC. Closing breaks the streams, except that a black hole leaves them
    /// open and dead for ever: nothing comes on them any more, not even an end.
    pub fn set_reachability(&self, reachability: Reachability) {
        // The gate closes under the lock, so that no stream opens behind the levers' back.
        let mut state = self.lock();
        self.gate.send_modify(|gate| gate.set(reachability));
        match reachability {
            Reachability::Up => {}
            Reachability::Refusing | Reachability::Resetting => state.end_streams(End::Broken),
            Reachability::BlackHole => state.streams.drain(..).for_each(|queue| queue.lose()),
        }
    }

    /// What requests for the stream get from now on; streams that are open stay.
    pub fn set_stream_behaviour(&self, behaviour: StreamBehaviour) {
        self.lock().stream_behaviour = behaviour;
    }

    /// Changes the event service; where the vendor does so, streams end when it is disabled.
    pub fn set_event_service(&self, service: EventServiceState) {
        let mut state = self.lock();
        state.event_service = service;
        let closes = match service {
            EventServiceState::Enabled => false,
            EventServiceState::Disabled => self.config.profile.when_disabled == WhenDisabled::Closed,
            EventServiceState::Absent => true,
        };
        if closes {
            state.end_streams(End::Orderly);
        }
    }

    /// Waits this long before every answer.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// The next `count` requests, whatever they are for, get this status.
    pub fn fail_requests(&self, count: u32, status: StatusCode) {
        self.lock().failing = (count > 0).then_some((count, status));
    }

    /// The BMC restarts: streams break, connections are refused for a while, sessions are gone, event ids
    /// begin at 1 again. Logs stay.
    pub fn reboot(&self, down_for: Duration) {
        let mut state = self.lock();
        self.gate.send_modify(|gate| gate.down_until(Instant::now() + down_for));
        state.end_streams(End::Broken);
        state.sessions.end_all();
        state.counts.sessions_open = 0;
        state.event_ids = 0;
        state.booted = self.clock_in(&state) + TimeDelta::from_std(down_for).unwrap_or(TimeDelta::MAX);
    }

    /// Steps the BMC's clock, forward or back.
    pub fn step_clock(&self, seconds: i64) {
        self.lock().clock_offset += TimeDelta::seconds(seconds);
    }

    /// Changes the password; sessions stay.
    pub fn set_password(&self, password: &str) {
        password.clone_into(&mut self.lock().password);
    }

    /// Ends all sessions, as an administrator or a restarted web server does (T67).
    pub fn end_sessions(&self) {
        let mut state = self.lock();
        state.sessions.end_all();
        state.counts.sessions_open = 0;
    }

    /// Tokens of the sessions that are open now, for the one who checks that they are told to nobody.
    pub fn session_tokens(&self) -> Vec<String> {
        self.lock().sessions.tokens().map(str::to_owned).collect()
    }

    /// Changes the manager's `FirmwareVersion`.
    pub fn set_firmware(&self, version: &str) {
        version.clone_into(&mut self.lock().firmware);
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Everything that ever happened, in order; at most the newest million.
    pub fn truth(&self) -> Vec<Logged> {
        self.lock().truth.iter().map(|logged| Logged::clone(logged)).collect()
    }

    fn happening(&self, severity: Severity, message_id: &str, args: &[&str], message: &str) -> Logged {
        Logged {
            token: String::new(),
            log: None,
            generation: 0,
            id: String::new(),
            number: 0,
            severity,
            message_id: message_id.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            message: message.to_owned(),
            time: self.config.epoch,
            pushed: false,
        }
    }

    fn happen(&self, way: Way, log: usize, state: &mut State, mut logged: Logged) -> Logged {
        let profile = &self.config.profile;
        state.happened += 1;
        logged.token = format!("{}-{}", self.config.name, state.happened);
        logged.args.push(logged.token.clone());
        logged.message = format!("{} [{}]", logged.message, logged.token);
        logged.time = self.clock_in(state);
        let pushes = match way {
            Way::LogOnly => false,
            Way::StreamOnly => true,
            Way::LogAndStream => match profile.push {
                Push::Every => true,
                Push::AllButEach(each) => !state.happened.is_multiple_of(each.max(1)),
                Push::Never => false,
            },
        };
        let live = state.event_service == EventServiceState::Enabled
            && state.stream_behaviour != StreamBehaviour::Silent;
        logged.pushed = pushes && live && !state.streams.is_empty();
        if !matches!(way, Way::StreamOnly) {
            let log = &mut state.logs[log];
            let name = log.name_next(profile.ids, logged.time);
            logged.log = Some(Arc::clone(&log.path));
            logged.generation = log.generation;
            logged.id = name.id;
            logged.number = name.number;
            state.counts.entries_logged += 1;
        }
        if pushes && live {
            // The counter counts events, whether somebody listens or not.
            let ids = EventIds::next(profile.record, &mut state.event_ids);
            if logged.pushed {
                let frame = event::frame(profile, &logged, ids);
                state.streams.iter().for_each(|queue| queue.push(frame.clone()));
            }
        }
        state.remember(log, logged.clone());
        logged
    }
}

impl State {
    fn remember(&mut self, log: usize, logged: Logged) {
        let logged = Arc::new(logged);
        if logged.log.is_some() {
            self.logs[log].append(Arc::clone(&logged));
        }
        if self.truth.len() >= TRUTH_MAX {
            self.truth.pop_front();
        }
        self.truth.push_back(logged);
    }
}
