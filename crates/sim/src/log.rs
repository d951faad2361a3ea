//! One log of a BMC: entries in a ring, the ids they carry, clears, and pages of them as JSON. It does not
//! know of streams or requests.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::{
    profile::{IdStyle, LogProfile, Members, Oem, Order, Parent, Profile, TimeStyle},
    truth::Logged,
};

/// What a name for a new entry is made of.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) id: String,
    pub(crate) number: u64,
}

pub(crate) struct Log {
    pub(crate) path: Arc<str>,
    pub(crate) profile: LogProfile,
    pub(crate) generation: u32,
    entries: VecDeque<Arc<Logged>>,
    next_number: u64,
    /// Number of the first entry after the last clear.
    base: u64,
    /// The last second that named an entry, and how many it named (bmcweb).
    second: (i64, u32),
}

impl Log {
    pub(crate) fn new(profile: &Profile, log: &LogProfile) -> Self {
        let parent = match log.parent {
            Parent::System => format!("/redfish/v1/Systems/{}", profile.system),
            Parent::Manager => format!("/redfish/v1/Managers/{}", profile.manager),
            Parent::Chassis => format!("/redfish/v1/Chassis/{}", profile.chassis),
        };
        Self {
            path: format!("{parent}/LogServices/{}", log.id).into(),
            profile: log.clone(),
            generation: 0,
            entries: VecDeque::new(),
            next_number: 1,
            base: 1,
            second: (0, 0),
        }
    }

    /// Whether a path is that of the log service or lies under it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&*self.path).is_some_and(|under| under.is_empty() || under.starts_with('/'))
    }

    /// Names the next entry.
    pub(crate) fn name_next(&mut self, style: IdStyle, now: DateTime<Utc>) -> Name {
        let number = self.next_number;
        self.next_number += 1;
        let id = match style {
            IdStyle::Rising => number.to_string(),
            IdStyle::RestartsAtClear => (number - self.base + 1).to_string(),
            IdStyle::Position => (self.entries.len() + 1).min(self.profile.capacity.max(1)).to_string(),
            IdStyle::EpochSeconds => self.name_by_second(now.timestamp()),
        };
        Name { id, number }
    }

    fn name_by_second(&mut self, second: i64) -> String {
        let (last, named) = self.second;
        if last != second {
            self.second = (second, 1);
            return second.to_string();
        }
        self.second = (second, named + 1);
        format!("{second}_{named}")
    }

    pub(crate) fn append(&mut self, entry: Arc<Logged>) {
        if self.entries.len() >= self.profile.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.generation += 1;
        self.base = self.next_number;
        self.second = (0, 0);
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Logged>> {
        self.entries.back()
    }

    /// Numbers of the first and the last entry it still holds.
    pub(crate) fn numbers(&self) -> Option<(u64, u64)> {
        Some((self.entries.front()?.number, self.entries.back()?.number))
    }

    /// The entries from `skip` on, at most `top`, as a collection; `None` when `skip` lies past the end.
    pub(crate) fn page(&self, profile: &Profile, skip: usize, top: Option<usize>) -> Option<Value> {
        let count = self.entries.len();
        if skip > count {
            return None;
        }
        let size = top.unwrap_or(usize::MAX).min(profile.page_size.unwrap_or(usize::MAX));
        let end = skip.saturating_add(size).min(count);
        let members: Vec<Value> = (skip..end)
            .map(|at| match profile.order {
                Order::OldestFirst => at,
                Order::NewestFirst => count - 1 - at,
            })
            .filter_map(|index| self.member(profile, index))
            .collect();
        let path = format!("{}/Entries", self.path);
        let mut page = json!({
            "@odata.id": path,
            "@odata.type": "#LogEntryCollection.LogEntryCollection",
            "Name": "Log Entries",
            "Description": "Entries of the log",
            "Members": members,
            "Members@odata.count": count,
        });
        if end < count {
            page[profile.next_link] = json!(format!("{path}?$skip={end}"));
        }
        Some(page)
    }

    fn member(&self, profile: &Profile, index: usize) -> Option<Value> {
        match profile.members {
            Members::Inline => self.entry_at(profile, index),
            Members::Links => {
                let id = self.id_at(profile, index)?;
                Some(json!({ "@odata.id": format!("{}/Entries/{id}", self.path) }))
            }
        }
    }

    fn id_at(&self, profile: &Profile, index: usize) -> Option<String> {
        let entry = self.entries.get(index)?;
        Some(match profile.ids {
            IdStyle::Position => (index + 1).to_string(),
            IdStyle::Rising | IdStyle::RestartsAtClear | IdStyle::EpochSeconds => entry.id.clone(),
        })
    }

    /// The entry that `id` names now: the first of that name (T10).
    pub(crate) fn entry(&self, profile: &Profile, id: &str) -> Option<Value> {
        let index = match profile.ids {
            IdStyle::Position => id.parse::<usize>().ok()?.checked_sub(1)?,
            IdStyle::Rising | IdStyle::RestartsAtClear | IdStyle::EpochSeconds => {
                self.entries.iter().position(|entry| entry.id == id)?
            }
        };
        self.entry_at(profile, index)
    }

    fn entry_at(&self, profile: &Profile, index: usize) -> Option<Value> {
        let id = self.id_at(profile, index)?;
        let entry = self.entries.get(index)?;
        let mut value = json!({
            "@odata.id": format!("{}/Entries/{id}", self.path),
            "@odata.type": "#LogEntry.v1_9_0.LogEntry",
            "Id": id,
            "Name": "Log Entry",
            "EntryType": self.profile.entry_type,
            "Severity": entry.severity.as_str(),
            "Created": time(profile.time, entry.time),
            "Message": entry.message,
            "MessageId": entry.message_id,
            "MessageArgs": entry.args,
        });
        match profile.oem {
            Oem::Plain | Oem::NvidiaLogEntry | Oem::Dell => {}
            Oem::HpeEventNumber => {
                value["Oem"] = json!({ "Hpe": { "EventNumber": entry.number, "Count": 1 } });
            }
            Oem::LenovoSequence => {
                value["EventId"] = json!("0x4000000e00000000");
                value["Oem"] = json!({ "Lenovo": { "EventSequenceNumber": entry.number } });
            }
        }
        if self.profile.entry_type == "Oem" {
            value["OemRecordFormat"] = json!(profile.vendor);
        }
        Some(value)
    }
}

/// A time as this BMC writes it in entries.
pub(crate) fn time(style: TimeStyle, at: DateTime<Utc>) -> String {
    match style {
        TimeStyle::Offset => at.to_rfc3339_opts(SecondsFormat::Secs, false),
        TimeStyle::OffsetMillis => at.to_rfc3339_opts(SecondsFormat::Millis, false),
        TimeStyle::Zulu => at.to_rfc3339_opts(SecondsFormat::Secs, true),
        TimeStyle::Local(hours) => {
            let local = (at + Duration::hours(hours.into())).format("%Y-%m-%dT%H:%M:%S");
            format!("{local}{hours:+03}:00")
        }
    }
}
