//! The lever board of a BMC: what a test or a script does to it. Levers act at once and never wait; each
//! holds until the next one of its kind.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use rand::{SeedableRng, rngs::SmallRng};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    bmc::{self, Bmc, State},
    gate::Reachability,
    habit::LoginLine,
    log::Log,
    profile::{EventServiceState, Push, WhenDisabled},
    registry::MessageRegistry,
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
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
        self.happen_signed(
            Way::LogAndStream,
            log,
            &mut self.lock(),
            self.happening(severity, message_id, args, message),
        )
    }

    /// Writes an entry to the first log and pushes nothing (T71).
    pub fn log_silently(&self, severity: Severity, message_id: &str, args: &[&str], message: &str) -> Logged {
        self.happen_signed(
            Way::LogOnly,
            0,
            &mut self.lock(),
            self.happening(severity, message_id, args, message),
        )
    }

    /// Pushes an event that stands in no log.
    pub fn push_only(&self, severity: Severity, message_id: &str, args: &[&str], message: &str) -> Logged {
        self.happen_signed(
            Way::StreamOnly,
            0,
            &mut self.lock(),
            self.happening(severity, message_id, args, message),
        )
    }

    /// Clears the first log.
    pub fn clear_log(&self) {
        self.clear_log_in(0);
    }

    /// Clears the log at a place in [`crate::Profile::logs`]; panics where there is none.
    pub fn clear_log_in(&self, log: usize) {
        self.clear_in(&mut self.lock(), log);
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
            Reachability::BlackHole => {
                let State { streams, streams_stuck, .. } = &mut *state;
                streams.drain(..).chain(streams_stuck.drain(..)).for_each(|queue| queue.lose());
            }
        }
    }

    /// The streams that are open now are stuck: they stay open, their keep-alives go on, and nothing is pushed on them
    /// any more. Those that are opened later are well; [`StreamBehaviour::Silent`] is the same for all.
    pub fn wedge_streams(&self) {
        let mut state = self.lock();
        let State { streams, streams_stuck, .. } = &mut *state;
        streams_stuck.append(streams);
    }

    /// So many streams of clients that are gone take places until this is set to 0 again (T66).
    pub fn leak_streams(&self, count: usize) {
        self.lock().streams_leaked = count;
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
        state.unset_until = self.unset_until(Instant::now() + down_for);
        state.logs.iter_mut().for_each(Log::start);
        state.booted = self.clock_in(&state) + TimeDelta::from_std(down_for).unwrap_or(TimeDelta::MAX);
    }

    /// Steps the BMC's clock, forward or back.
    pub fn step_clock(&self, seconds: i64) {
        self.lock().clock_offset += TimeDelta::seconds(seconds);
    }

    /// Sets the BMC's clock, from which it then goes on.
    pub fn set_clock(&self, to: DateTime<Utc>) {
        let mut state = self.lock();
        state.unset_until = None;
        state.clock_offset = to - self.right_time();
    }

    /// Another machine of the same kind stands behind the same address: new UUID and serial number from this
    /// seed, empty logs, counters at 1, no sessions; streams break. The password stays, and so does the truth,
    /// in which the generation of each log rises (T77).
    pub fn swap(&self, seed: u64) {
        let mut state = self.lock();
        state.end_streams(End::Broken);
        state.sessions.end_all();
        state.counts.sessions_open = 0;
        state.event_ids = 0;
        state.sent.clear();
        state.machine = seed;
        state.rng = SmallRng::seed_from_u64(seed);
        state.uuid = bmc::uuid(&mut state.rng);
        state.unset_until = self.unset_until(Instant::now());
        state.booted = self.clock_in(&state);
        for log in &mut state.logs {
            let generation = log.generation + 1;
            *log = Log::new(&self.config.profile, &log.profile, seed);
            log.generation = generation;
        }
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

    /// What `ServerSentEventUri` says, and where the stream is, from now on; streams that are open stay (T76).
    pub fn set_sse_uri(&self, uri: Option<&'static str>) {
        self.lock().sse_uri = uri;
    }

    /// Serves these message registries (T50, T76).
    pub fn set_registries(&self, registries: &'static [MessageRegistry]) {
        self.lock().registries = registries;
    }

    /// From now on the resource at a path is passed through this before it is sent; a later call replaces it.
    /// Logs have levers of their own.
    pub fn edit_resource(&self, path: &str, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().edits.insert(path.trim_end_matches('/').to_owned(), Arc::new(edit));
    }

    /// The counters.
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Everything that ever happened, in order; at most the newest million.
    pub fn truth(&self) -> Vec<Logged> {
        self.lock().truth.iter().map(|logged| Logged::clone(logged)).collect()
    }

    pub(crate) fn happening(
        &self,
        severity: Severity,
        message_id: &str,
        args: &[&str],
        message: &str,
    ) -> Logged {
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

    /// Writes the token that the happening will get into its arguments and its text.
    pub(crate) fn sign(&self, state: &mut State, logged: &mut Logged) {
        let token = self.token(state.happened + 1);
        logged.message = format!("{} [{token}]", logged.message);
        logged.args.push(token);
    }

    fn token(&self, happened: u64) -> String {
        format!("{}-{happened}", self.config.name)
    }

    fn happen_signed(&self, way: Way, log: usize, state: &mut State, mut logged: Logged) -> Logged {
        self.sign(state, &mut logged);
        self.happen(way, log, state, logged)
    }

    pub(crate) fn happen(&self, way: Way, log: usize, state: &mut State, logged: Logged) -> Logged {
        let logged = self.write_down(way, log, state, logged);
        if state.logs[log].burst_due && logged.log.is_some() && logged.pushed {
            self.push_burst(state, log, &logged);
        } else if self.pushes(way, state) {
            self.push(state, &[&logged]);
        }
        logged
    }

    /// Whether what has just happened is pushed, if anything is.
    pub(crate) fn pushes(&self, way: Way, state: &State) -> bool {
        match way {
            Way::LogOnly => false,
            Way::StreamOnly => true,
            Way::LogAndStream => match self.config.profile.push {
                Push::Every => true,
                Push::AllButEach(each) => !state.happened.is_multiple_of(each.max(1)),
                Push::Never => false,
            },
        }
    }

    /// Everything about a happening but the pushing.
    pub(crate) fn write_down(&self, way: Way, log: usize, state: &mut State, mut logged: Logged) -> Logged {
        state.happened += 1;
        logged.token = self.token(state.happened);
        logged.time = self.clock_in(state);
        logged.pushed = self.pushes(way, state) && state.live() && !state.streams.is_empty();
        logged.log = None;
        if way != Way::StreamOnly && !state.logs[log].refuses() {
            state.share_counters(log);
            let name = state.logs[log].name_next(logged.time);
            state.share_counters(log);
            logged.log = Some(Arc::clone(&state.logs[log].path));
            logged.generation = state.logs[log].generation;
            logged.id = name.id;
            logged.number = name.number;
            state.counts.entries_logged += 1;
        }
        state.remember(log, Arc::new(logged.clone()));
        logged
    }

    /// Clears a log, and those that mirror it; the marker of the vendor, if there is one, is the first that then happens.
    pub(crate) fn clear_in(&self, state: &mut State, log: usize) {
        state.logs[log].clear();
        for (_, to) in state.mirrors.iter().filter(|(from, _)| *from == log) {
            state.logs[*to].clear();
        }
        if let Some((message_id, text)) = state.logs[log].profile.marker {
            let marker = self.happening(Severity::Ok, message_id, &[], text);
            self.happen_signed(Way::LogAndStream, log, state, marker);
        }
    }

    /// Somebody has shown valid credentials.
    pub(crate) fn write_login_line(&self, state: &mut State) {
        if let Some(LoginLine { log, message_id, text }) = self.config.profile.login_line {
            let login = self.happening(Severity::Ok, message_id, &[], text);
            self.happen_signed(Way::LogAndStream, log, state, login);
        }
    }
}

impl State {
    /// A log and its mirror show one store of entries, so they are numbered by one counter.
    fn share_counters(&mut self, log: usize) {
        for &(from, to) in self.mirrors.iter().filter(|(from, to)| *from == log || *to == log) {
            let (first, second) = (self.logs[from].counters(), self.logs[to].counters());
            self.logs[from].count_after(second);
            self.logs[to].count_after(first);
        }
    }

    fn remember(&mut self, log: usize, logged: Arc<Logged>) {
        if logged.log.is_some() {
            self.logs[log].append(Arc::clone(&logged));
            for (_, to) in self.mirrors.iter().filter(|(from, _)| *from == log) {
                self.logs[*to].append(Arc::clone(&logged));
            }
        }
        if self.truth.len() >= TRUTH_MAX {
            self.truth.pop_front();
        }
        self.truth.push_back(logged);
    }
}
