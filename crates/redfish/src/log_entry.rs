//! A LogEntry, decoded loosely: one odd entry never costs the others (T46-T50).
//!
//! Not here: pages and links to further ones (`page`), what an entry says of its own log (`log_entry/signs`), what of it
//! may change (`log_entry/revision`).

mod revision;
mod signs;

use model::Facts;
use serde::Deserialize;
use serde_json::value::RawValue;

use revision::Mutable;
pub use signs::Signs;

use crate::{
    Identity, TwinKey,
    identity::{Evidence, Says, normal_path},
    json, severity,
    text::{
        self,
        loose::{Link, Object, Text, Texts},
    },
    time,
};

/// A log entry in our words.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it says.
    pub facts: Facts,
    /// What names it.
    pub identity: Identity,
    /// The same without the `Id`, for a log whose ids are places (T1).
    pub placeless: Identity,
    /// Hash of the `Id`: tells entries apart that say the same.
    pub place: u64,
    /// The number that rises with each entry of its log: HPE `EventNumber`, Lenovo's sequence number, else the `Id` where
    /// that is a plain number.
    pub number: Option<u64>,
    /// What may change in place (T17), hashed; `None` for an entry that shows nothing of the kind.
    pub revision: Option<u64>,
    /// What it says about the log itself.
    pub signs: Signs,
    /// What ties it to an event that told the same; surest first.
    pub twins: Vec<TwinKey>,
}

/// What a member of a log turned out to be.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and most are entries")]
pub(crate) enum Member {
    Entry(Entry),
    /// A place of the ring that holds nothing yet (T3).
    EmptySlot,
    /// The path of an entry that must be read by itself (T31).
    Link(String),
}

/// Why a member or a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("it is not a JSON object")]
    NotAnObject,
    #[error("its JSON cannot be read")]
    Unreadable,
    #[error("it has neither an id nor a link nor anything to say")]
    Nameless,
}

/// The same JSON with every key once (the last one counts) and without what nobody can read, for what was refused at
/// first reading because a key came twice or a value is no text or number.
pub(crate) fn read_twice(raw: &RawValue) -> Result<String, Rejected> {
    let text = json::mended(raw.get());
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| Rejected::Unreadable)?;
    if value.is_object() { Ok(value.to_string()) } else { Err(Rejected::NotAnObject) }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct LogEntry<'a> {
    #[serde(borrow, rename = "@odata.id")]
    odata_id: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    entry_type: Text<'a>,
    #[serde(borrow)]
    created: Text<'a>,
    #[serde(borrow)]
    event_timestamp: Text<'a>,
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
    #[serde(borrow)]
    message_severity: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    message_args: Texts,
    #[serde(borrow)]
    message_id: Text<'a>,
    /// T47.
    #[serde(borrow, rename = "MessageID")]
    message_id_old: Text<'a>,
    #[serde(borrow)]
    oem_record_format: Text<'a>,
    /// T47.
    #[serde(borrow, rename = "OEMRecordFormat")]
    oem_record_format_old: Text<'a>,
    #[serde(borrow)]
    origin_of_condition: Link<'a>,
    #[serde(borrow)]
    links: Object<Links<'a>>,
    #[serde(borrow)]
    sensor_number: Text<'a>,
    #[serde(borrow)]
    sensor_type: Text<'a>,
    #[serde(borrow)]
    entry_code: Text<'a>,
    #[serde(borrow)]
    modified: Text<'a>,
    #[serde(borrow)]
    resolved: Text<'a>,
    #[serde(borrow)]
    first_overflow_timestamp: Text<'a>,
    #[serde(borrow)]
    last_overflow_timestamp: Text<'a>,
    #[serde(borrow)]
    oem: Object<Oem<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Links<'a> {
    #[serde(borrow)]
    origin_of_condition: Link<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Oem<'a> {
    #[serde(borrow)]
    hpe: Object<Hpe<'a>>,
    /// iLO 4.
    #[serde(borrow)]
    hp: Object<Hpe<'a>>,
    #[serde(borrow)]
    lenovo: Object<Lenovo<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Hpe<'a> {
    #[serde(borrow)]
    event_number: Text<'a>,
    #[serde(borrow)]
    count: Text<'a>,
    #[serde(borrow)]
    updated: Text<'a>,
    #[serde(borrow)]
    repaired: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Lenovo<'a> {
    #[serde(borrow)]
    event_sequence_number: Text<'a>,
    #[serde(borrow)]
    total_sequence_number: Text<'a>,
}

/// Decodes one member of the log at `service_path`.
pub(crate) fn decode(raw: &RawValue, service_path: &str) -> Result<Member, Rejected> {
    match serde_json::from_str::<LogEntry<'_>>(raw.get()) {
        // A list of values would be read as one field after the other.
        Ok(entry) if raw.get().starts_with('{') => entry.decode(raw, service_path),
        _ => {
            let text = read_twice(raw)?;
            let entry: LogEntry<'_> = serde_json::from_str(&text).map_err(|_| Rejected::Unreadable)?;
            entry.decode(raw, service_path)
        }
    }
}

impl LogEntry<'_> {
    fn decode(self, raw: &RawValue, service_path: &str) -> Result<Member, Rejected> {
        let says_nothing =
            self.message_id().is_none() && self.message.get().is_none() && self.occurred_raw().is_none();
        if says_nothing && self.id.get().is_none() {
            let named = self.name.get().is_some() || self.entry_type.get().is_some();
            return match self.odata_id.get() {
                Some(path) if !named => Ok(Member::Link(path.to_owned())),
                Some(_) => Ok(Member::EmptySlot),
                None => Err(Rejected::Nameless),
            };
        }
        if self.is_empty_slot() {
            Ok(Member::EmptySlot)
        } else {
            Ok(Member::Entry(self.entry(raw, service_path)))
        }
    }

    /// Unused and half-written slots of a ring (T3): HPE's say "NULL", no UUID and no date.
    fn is_empty_slot(&self) -> bool {
        if self.message.get().is_some() {
            return false;
        }
        let undated = self.occurred_raw().and_then(time::parse_plausible).is_none();
        let unnamed = self.message_id().is_none_or(|id| id == "NULL");
        let zero_uuid =
            self.event_id.get().is_none_or(|id| id.bytes().all(|byte| byte == b'0' || byte == b'-'));
        let null = undated && zero_uuid && self.message_id() == Some("NULL");
        let half_written = undated && self.message_id().is_none() && self.severity().is_none();
        let half_written_event = unnamed && self.evidence().is_hpe_event();
        null || half_written || half_written_event
    }

    fn message_id(&self) -> Option<&str> {
        self.message_id.get().or(self.message_id_old.get())
    }

    fn severity(&self) -> Option<&str> {
        self.severity.get().or(self.message_severity.get())
    }

    /// When it was logged, else when it happened: some write a time of another year into the second (T43).
    fn occurred_raw(&self) -> Option<&str> {
        self.created.get().or(self.event_timestamp.get())
    }

    fn origin(&self) -> Option<&str> {
        self.links.0.origin_of_condition.path().or(self.origin_of_condition.path())
    }

    fn evidence(&self) -> Evidence<'_> {
        let oem = &self.oem.0;
        let (hpe, hp) = (&oem.hpe.0.event_number, &oem.hp.0.event_number);
        Evidence {
            id: self.id.get(),
            created: self.occurred_raw(),
            event_id: self.event_id.get(),
            message_id: self.message_id(),
            message: self.message.get(),
            args: &self.message_args.0,
            origin: self.origin(),
            record_format: self.oem_record_format.get().or(self.oem_record_format_old.get()),
            hpe_event_number: hpe.get().or(hp.get()),
            lenovo_sequence: oem.lenovo.0.event_sequence_number.get(),
            lenovo_total_sequence: oem.lenovo.0.total_sequence_number.get(),
            sensor: [self.sensor_number.get(), self.sensor_type.get(), self.entry_code.get()],
        }
    }

    fn mutable(&self) -> Mutable<'_> {
        let (hpe, hp) = (&self.oem.0.hpe.0, &self.oem.0.hp.0);
        Mutable {
            created: self.occurred_raw(),
            severity: self.severity(),
            count: hpe.count.get().or(hp.count.get()),
            updated: hpe.updated.get().or(hp.updated.get()),
            repaired: hpe.repaired.get().or(hp.repaired.get()),
            modified: self.modified.get(),
            resolved: self.resolved.get(),
        }
    }

    fn signs(&self) -> Signs {
        let bounds = [self.first_overflow_timestamp.get(), self.last_overflow_timestamp.get()];
        Signs::of(self.message_id(), self.message.get(), bounds)
    }

    fn entry(self, raw: &RawValue, service_path: &str) -> Entry {
        let evidence = self.evidence();
        let identity = evidence.identity();
        let placeless = evidence.placeless(identity);
        let (place, number) = (evidence.place(), evidence.number());
        let (revision, signs) = (self.mutable().revision(), self.signs());
        let occurred_at = self.occurred_raw().and_then(time::parse_plausible);
        let message = text::message(self.message.get(), self.message_id(), &self.message_args.0);
        let last_segment = || normal_path(self.odata_id.get()?).rsplit('/').next().map(str::to_owned);
        let facts = Facts {
            occurred_at,
            occurred_at_raw: self.occurred_raw().map(str::to_owned),
            severity: severity::first_known(&[self.severity.get(), self.message_severity.get()]),
            message,
            message_id: self.message_id().map(str::to_owned),
            log_service: Some(normal_path(service_path)),
            entry_id: self.id.owned().or_else(last_segment),
            event_id: self.event_id.owned(),
            origin: self.origin().map(str::to_owned),
            original: Some(raw.to_owned()),
            message_args: Vec::new(),
        };
        let twins = self.twins(&facts);
        let facts = Facts { message_args: self.message_args.0, ..facts };
        Entry { facts, identity, placeless, place, number, revision, signs, twins }
    }

    /// All the ties an event could have to this entry, since the entry cannot know which of them the event shows.
    fn twins(&self, facts: &Facts) -> Vec<TwinKey> {
        let (message_id, args) = (self.message_id(), &self.message_args.0);
        let says = Says { message_id, args };
        let mut twins = Vec::new();
        let at = facts.occurred_at;
        let number = self.oem.0.lenovo.0.event_sequence_number.get();
        twins.extend(self.odata_id.get().map(|path| TwinKey::link(path, says, at)));
        twins.extend(number.map(|number| TwinKey::lenovo_sequence(number, says, at)));
        if let Some(at) = facts.occurred_at {
            let id = self.id.get().filter(|&id| Some(id) != self.event_id.get());
            let ids = [self.event_id.get(), id];
            twins.extend(ids.into_iter().flatten().map(|id| TwinKey::event_id(id, message_id, args, at)));
            twins.push(TwinKey::content(message_id.unwrap_or(&facts.message), args, at));
        }
        twins
    }
}

#[cfg(test)]
mod tests;
