//! An `EventRecord` from the stream, decoded loosely (T47, T48, T55, T56), and what names it: its content, never its ids.
//!
//! `EventId` and `MemberId` are left out of the name because BMCs give them anew when they send an old event again (a whole
//! log at once, T60; every unrecovered event, T73), begin again at 1 (T59), and give one to several events (T58). Alike in
//! content are thus also events that only counting tells apart. Not here: the counting (`collect::occurrence`), and the
//! payload around the record (`event_stream`).

use std::io::Write;

use chrono::{DateTime, Utc};
use model::{Facts, Severity};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Dating, Identity, TwinKey,
    identity::{self, Says},
    log_entry::{Rejected, read_twice},
    severity,
    text::{
        self,
        loose::{Link, Object, Text, Texts},
    },
    time,
};

/// Key of Dell's message for trying subscriptions.
const TEST_MESSAGE: &str = "TST100";

/// One event in our words.
#[derive(Debug, Clone)]
pub struct Event {
    /// What it says. `log_service` and `entry_id` are set when the event links its LogEntry.
    pub facts: Facts,
    /// What names it: its content. Equal identities do not prove that one event came twice: three equal lines of one
    /// second come as three events alike in everything (seen on bmcweb). Without a believable time
    /// ([`Dating::Undated`]) the `EventId` is in it, and whoever deduplicates must not look beyond one connection.
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
    /// No hardware event but the service's or our own doing (T72): a heartbeat, the shell `{"MemberId":"0"}` of
    /// `SubmitTestEvent {}`, a test event about a subscription.
    OwnNoise,
    /// The same, and it says that a log has a new entry (sailfish): the log tells what it is.
    EntryAdded,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct EventRecord<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    event_timestamp: Text<'a>,
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
            && self.event_timestamp.get().is_none()
            && self.log_entry.path().is_none()
            && self.origin_of_condition.path().is_none();
        if says_nothing || message_id.is_some_and(|id| id.starts_with("HeartbeatEvent.")) {
            return Decoded::OwnNoise;
        }
        match self.test_of_subscriptions(message_id) {
            Some(noise) => noise,
            None => Decoded::Event(self.event(raw)),
        }
    }

    /// Dell's `TST100` is a message for trying subscriptions. It comes at a subscription (OME-M), and as the filler of
    /// `ResourceAdded` for sessions and log entries (sailfish). Any other is kept: somebody may be testing the alarms.
    fn test_of_subscriptions(&self, message_id: Option<&str>) -> Option<Decoded> {
        let key = message_id?.rsplit('.').next();
        if key != Some(TEST_MESSAGE) {
            return None;
        }
        let origin = self.origin_of_condition.path().unwrap_or_default();
        if is_log_entry(origin) {
            return Some(Decoded::EntryAdded);
        }
        let own = |text: &str| ["/subscriptions/", "/sessions/"].iter().any(|part| contains(text, part));
        let tells = [origin, self.message.get().unwrap_or_default()];
        let named = tells.into_iter().chain(self.message_args.0.iter().map(String::as_str)).any(own);
        named.then_some(Decoded::OwnNoise)
    }

    fn message_id(&self) -> Option<&str> {
        self.message_id.get().or(self.message_id_old.get())
    }

    fn event(self, raw: &RawValue) -> Event {
        let (log_service, entry_id) = self.log_entry.path().and_then(log_and_entry).unzip();
        let occurred_at = self.event_timestamp.get().and_then(time::parse_plausible);
        let severity = severity::first_known(&[self.message_severity.get(), self.severity.get()]);
        let identity = self.identity(occurred_at, severity);
        let facts = Facts {
            occurred_at,
            occurred_at_raw: self.event_timestamp.owned(),
            severity,
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
        let (id, args) = (facts.message_id.as_deref(), &facts.message_args);
        let content = |at| TwinKey::content(id.unwrap_or(&facts.message), args, at);
        let says = Says { message_id: id, args };
        if let Some(path) = self.log_entry.path() {
            twins.push(TwinKey::link(path, says, facts.occurred_at));
            // The same may stand in another log too (T14), and the linked one be cleared before it is read.
            twins.extend(facts.occurred_at.map(content));
        } else if let Some(number) = self.oem.0.lenovo.0.event_sequence_number.get() {
            twins.push(TwinKey::lenovo_sequence(number, says, facts.occurred_at));
        } else if let Some(at) = facts.occurred_at {
            twins.extend(facts.event_id.as_deref().map(|event_id| TwinKey::event_id(event_id, id, args, at)));
            twins.push(content(at));
        }
        Event { facts, identity, twins }
    }

    /// The text is in it only where MessageId and arguments do not say it all: with them it is the firmware's wording.
    fn identity(&self, occurred_at: Option<DateTime<Utc>>, severity: Severity) -> Identity {
        let (registry, key) = self.message_id().map(identity::unversioned).unzip();
        let worded = key.is_none() || self.message_args.0.is_empty();
        let mut digits = [0; 20];
        let (at, sent, event_id) = match occurred_at {
            Some(at) => (Some(decimal(at.timestamp_millis(), &mut digits)), None, None),
            None => (None, self.event_timestamp.get(), self.event_id.get()),
        };
        let parts = [
            registry,
            key,
            self.message.get().filter(|_| worded),
            at,
            sent,
            event_id,
            Some(severity.as_str()),
            self.origin_of_condition.path(),
            self.log_entry.path().map(|path| path.trim().trim_end_matches('/')),
            self.oem.0.lenovo.0.event_sequence_number.get(),
        ];
        identity::of_event(&parts, &self.message_args.0, Dating::of(occurred_at))
    }
}

/// A number as text, without an allocation.
fn decimal(number: i64, digits: &mut [u8; 20]) -> &str {
    let mut rest = &mut digits[..];
    write!(rest, "{number}").expect("the longest i64 has 20 characters");
    let left = rest.len();
    std::str::from_utf8(&digits[..20 - left]).expect("digits and a sign are ASCII")
}

/// Whether a path is that of a log entry.
fn is_log_entry(path: &str) -> bool {
    let in_a_log = contains(path, "/logservices/") || contains(path, "/logs/");
    in_a_log && contains(path, "/entries/")
}

/// Whether the text holds a part that is given in small letters.
fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(part)
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
