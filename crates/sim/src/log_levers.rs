//! Levers on one log of a BMC: what is served of it, what befalls its entries, what its names become. They
//! name the log by its place in [`crate::Profile::logs`] and panic where there is none. Truth is not touched
//! by any of them: what was logged was logged. An edit must not pull levers itself: the BMC is locked while it
//! answers.

use std::{ops::Range, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{bmc::Bmc, profile::IdStyle, truth::Logged};

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFault {
    /// Nothing.
    #[default]
    None,
    /// 200, no members, count 0: the backend is down (bmcweb, T33).
    Empty,
    /// Its entries get this status (T34).
    Status(u16),
    /// The body of its entries breaks off in the middle (T36).
    Cut,
    /// 404 for the log service and all below, though it is listed (T37).
    Missing,
}

impl Bmc {
    /// From now on the newest entry is served with this change, on pages and by itself; a later change to
    /// the same entry replaces it.
    pub fn edit_newest(&self, log: usize, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().logs[log].edit_newest(Arc::new(edit));
    }

    /// The same for any entry, counted from the oldest; nothing happens where there is none.
    pub fn edit_at(&self, log: usize, index: usize, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().logs[log].edit_at(index, Arc::new(edit));
    }

    /// From now on every page of the log is passed through this before it is sent; the text is the query, as
    /// it came. A later call replaces it.
    pub fn edit_pages(&self, log: usize, edit: impl Fn(&mut Value, &str) + Send + Sync + 'static) {
        self.lock().logs[log].page_edit = Some(Arc::new(edit));
    }

    /// The same for the resource of the log service.
    pub fn edit_log_service(&self, log: usize, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.lock().logs[log].service_edit = Some(Arc::new(edit));
    }

    /// From now on this happens right before each request about entries of the log is answered; the text is its
    /// query. Unlike the edits it may pull levers, so that a log moves under a reader (T4, T15). A later call
    /// replaces it.
    pub fn before_entries(&self, log: usize, before: impl Fn(&Bmc, &str) + Send + Sync + 'static) {
        self.lock().logs[log].before = Some(Arc::new(before));
    }

    /// Breaks a log, or mends it with [`LogFault::None`].
    pub fn set_log_fault(&self, log: usize, fault: LogFault) {
        self.lock().logs[log].fault = fault;
    }

    /// Every answer about entries of the log takes this long, on top of [`Bmc::set_latency`] (T35).
    pub fn set_log_latency(&self, log: usize, latency: Duration) {
        self.lock().logs[log].latency = latency;
    }

    /// The oldest `count` entries go.
    pub fn trim_log(&self, log: usize, count: usize) {
        self.lock().logs[log].trim(count);
    }

    /// The newest entry goes; see [`Bmc::restart_logging`].
    pub fn delete_newest(&self, log: usize) {
        self.lock().logs[log].remove_newest();
    }

    /// One entry goes, counted from the oldest; nothing happens where there is none (T8).
    pub fn delete_at(&self, log: usize, index: usize) {
        self.lock().logs[log].remove(index);
    }

    /// The logging service starts anew: its counter of ids goes on after the highest id that is still there
    /// (phosphor-logging, T7).
    pub fn restart_logging(&self, log: usize) {
        self.lock().logs[log].restart();
    }

    /// The log is rotated: the older half goes, and where ids are seconds, `X_1` may become `X` (bmcweb, T11).
    pub fn rotate_log(&self, log: usize) {
        self.lock().logs[log].rotate();
    }

    /// The same entries stand there under ids of another grammar, which also names what comes (T12, T76).
    pub fn renumber(&self, log: usize, ids: IdStyle) {
        self.lock().logs[log].renumber(ids);
    }

    /// The log service has another name and path; its entries and their ids stay (T76).
    pub fn rename_log(&self, log: usize, id: &'static str) {
        self.lock().logs[log].rename(&self.config.profile, id);
    }

    /// The machine boots: with [`IdStyle::PostCode`] what was `B1-n` becomes `B2-n` (T13).
    pub fn new_boot(&self, log: usize) {
        self.lock().logs[log].new_boot();
    }

    /// What is logged in one log from now on also stands in the other, with the same id and text; the truth
    /// tells it once, of the first. A clear of the first clears both (NVIDIA, T14).
    pub fn mirror(&self, from: usize, to: usize) {
        let mut state = self.lock();
        assert!(from != to && from.max(to) < state.logs.len(), "two logs of the profile");
        state.mirrors.push((from, to));
    }

    /// Entries, counted from the oldest, stand there once more after the newest, under other ids (HPE, T9b).
    pub fn repeat_block(&self, log: usize, range: Range<usize>) {
        self.lock().logs[log].repeat(range);
    }

    /// The next entry gets the id of the one before (bmcweb after a clock step, T10).
    pub fn same_id_next(&self, log: usize) {
        self.lock().logs[log].same_id_next();
    }

    /// What is logged from now on is pushed as ever, but cannot be read in the log until
    /// [`Bmc::release_log`] (T69).
    pub fn hold_log(&self, log: usize) {
        self.lock().logs[log].held = true;
    }

    /// What was held back can be read.
    pub fn release_log(&self, log: usize) {
        let mut state = self.lock();
        state.logs[log].held = false;
        state.logs[log].hidden = 0;
    }

    /// The oldest of what the log holds comes first; those held back not among them.
    pub fn log_holds(&self, log: usize) -> Vec<Logged> {
        self.lock().logs[log].readable().map(|item| Logged::clone(&item.logged)).collect()
    }
}
