//! An `EventRecord` from the stream, decoded loosely (T47, T48, T55, T56).
//!
//! Not here: the payload around it (`event_stream`).

use model::Facts;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Identity, TwinKey, identity,
    log_entry::{Rejected, read_twice},
    severity,
    text::{
        self,
        loose::{Link, Object, Text, Texts},
    },
    time,
};

/// One event in our words.
#[derive(Debug, Clone)]
pub struct Event {
    /// What it says. `log_service` and `entry_id` are set when the event links its LogEntry.
    pub facts: Facts,
    /// What names it. Equal identities do not prove that one event came twice (see [`Scheme::EventContent`]).
    ///
    /// [`Scheme::EventContent`]: crate::Scheme::EventContent
    pub identity: Identity,
    /// What ties it to its log entry; surest first; empty when nothing does.
    pub twins: Vec<TwinKey>,
}

/// What a record turned out to be.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and most are events")]
pub(crate) enum Decoded {
    Event(Event),
    /// Base `EventBufferExceeded`: the BMC dropped events (T55).
    BufferExceeded,
    /// A heartbeat, or a shell without any fact such as `{"MemberId":"0"}`.
    Nothing,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct EventRecord<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    event_type: Text<'a>,
    #[serde(borrow)]
    event_timestamp: Text<'a>,
    #[serde(borrow)]
    member_id: Text<'a>,
    #[serde(borrow)]
    message_id: Text<'a>,
    /// T47.
    #[serde(borrow, rename = "MessageID")]
    message_id_old: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    message_args: Texts,
    #[serde(borrow)]
    message_severity: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    origin_of_condition: Link<'a>,
    #[serde(borrow)]
    log_entry: Link<'a>,
    #[serde(borrow)]
    oem: Object<Oem<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Oem<'a> {
    #[serde(borrow)]
    lenovo: Object<Lenovo<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Lenovo<'a> {
    #[serde(borrow)]
    event_sequence_number: Text<'a>,
}

/// Decodes one record.
pub(crate) fn decode(raw: &RawValue) -> Result<Decoded, Rejected> {
    match serde_json::from_str::<EventRecord<'_>>(raw.get()) {
        // A list of values would be read as one field after the other.
        Ok(record) if raw.get().starts_with('{') => Ok(record.decode(raw)),
        _ => {
            let text = read_twice(raw)?;
            let record: EventRecord<'_> = serde_json::from_str(&text).map_err(|_| Rejected::Unreadable)?;
            Ok(record.decode(raw))
        }
    }
}

impl EventRecord<'_> {
    fn decode(self, raw: &RawValue) -> Decoded {
        let message_id = self.message_id();
        if message_id.is_some_and(|id| id == "EventBufferExceeded" || id.ends_with(".EventBufferExceeded")) {
            return Decoded::BufferExceeded;
        }
        let says_nothing = message_id.is_none()
            && self.message.get().is_none()
            && self.event_id.get().is_none()
            && self.event_timestamp.get().is_none();
        if says_nothing || message_id.is_some_and(|id| id.starts_with("HeartbeatEvent.")) {
            return Decoded::Nothing;
        }
        Decoded::Event(self.event(raw))
    }

    fn message_id(&self) -> Option<&str> {
        self.message_id.get().or(self.message_id_old.get())
    }

    fn event(self, raw: &RawValue) -> Event {
        let (log_service, entry_id) = self.log_entry.path().and_then(log_and_entry).unzip();
        let identity = self.identity();
        let facts = Facts {
            occurred_at: self.event_timestamp.get().and_then(time::parse_plausible),
            occurred_at_raw: self.event_timestamp.owned(),
            severity: severity::first_known(&[self.message_severity.get(), self.severity.get()]),
            message: text::message(self.message.get(), self.message_id(), &self.message_args.0),
            message_id: self.message_id().map(str::to_owned),
            log_service,
            entry_id,
            event_id: self.event_id.owned(),
            origin: self.origin_of_condition.path().map(str::to_owned),
            original: Some(raw.to_owned()),
            message_args: self.message_args.0,
        };
        let mut twins = Vec::new();
        if let Some(path) = self.log_entry.path() {
            twins.push(TwinKey::link(path, facts.message_id.as_deref(), facts.occurred_at));
        } else if let Some(number) = self.oem.0.lenovo.0.event_sequence_number.get() {
            twins.push(TwinKey::lenovo_sequence(number, facts.occurred_at));
        } else if let Some(at) = facts.occurred_at {
            let (id, args) = (facts.message_id.as_deref(), &facts.message_args);
            twins.extend(facts.event_id.as_deref().map(|event_id| TwinKey::event_id(event_id, id, args, at)));
            twins.push(TwinKey::content(id.unwrap_or(&facts.message), args, at));
        }
        Event { facts, identity, twins }
    }

    fn identity(&self) -> Identity {
        let parts = [
            self.event_id.get(),
            self.event_type.get(),
            self.event_timestamp.get(),
            self.member_id.get(),
            self.message_id(),
            self.message.get(),
            self.message_severity.get(),
            self.severity.get(),
            self.origin_of_condition.path(),
            self.log_entry.path(),
            self.oem.0.lenovo.0.event_sequence_number.get(),
        ];
        identity::of_event(&parts, &self.message_args.0)
    }
}

/// Splits the path of an entry into that of its LogService and the entry's id.
fn log_and_entry(path: &str) -> Option<(String, String)> {
    let path = identity::normal_path(path);
    let (parent, id) = path.rsplit_once('/')?;
    let log = match parent.rsplit_once('/') {
        Some((log, entries)) if entries.eq_ignore_ascii_case("Entries") => log,
        // iDRAC 7 and 8 keep entries directly under the log.
        _ => parent,
    };
    (!log.is_empty() && !id.is_empty()).then(|| (log.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_entry_splits_into_log_and_id() {
        let check = |path: &str, expected: Option<(&str, &str)>| {
            let split = log_and_entry(path);
            assert_eq!(split.as_ref().map(|(log, id)| (&**log, &**id)), expected, "{path}");
        };
        let log = "/redfish/v1/Systems/1/LogServices/IML";
        check("/redfish/v1/Systems/1/LogServices/IML/Entries/7", Some((log, "7")));
        check("/redfish/v1/Systems/1/LogServices/IML/entries/7/", Some((log, "7")));
        check("/redfish/v1/Managers/1/Logs/Sel/7", Some(("/redfish/v1/Managers/1/Logs/Sel", "7")));
        check("7", None);
        check("/", None);
        check("", None);
    }
}
