//! Entries and pages of a log as JSON, in each vendor's shape. Which entries there are and how they are
//! called is the log's business (`log.rs`).

use std::time::Duration;

use chrono::{DateTime, Datelike, Months, NaiveDate, SecondsFormat, TimeDelta, Utc, Weekday};
use rand::{SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};

use crate::{
    bmc,
    habit::{Count, EntryShape, Keys, SeverityStyle},
    log::{Item, Log, Slot},
    profile::{Members, Oem, Order, Profile, TimeStyle},
    truth::Severity,
};

/// Whether an entry is sent among others or by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Among,
    Alone,
}

impl Log {
    /// The entries from `skip` on, at most `top`, as a collection; `None` when `skip` lies past the end.
    pub(crate) fn page(&self, profile: &Profile, skip: usize, top: Option<usize>) -> Option<Value> {
        let count = self.places();
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
            .filter_map(|place| self.member(profile, place))
            .collect();
        let mut page = json!({
            "@odata.id": self.entries_path,
            "@odata.type": "#LogEntryCollection.LogEntryCollection",
            "Name": "Log Entries",
            "Description": "Entries of the log",
            "Members@odata.count": match profile.count {
                Count::Total => count,
                Count::OfPage => members.len(),
            },
        });
        // Not inside the macro, which would copy every member.
        page["Members"] = Value::Array(members);
        if end < count && !profile.next_link.is_empty() {
            page[profile.next_link] = json!(format!("{}?{}={end}", self.entries_path, profile.skip_key));
        }
        Some(page)
    }

    fn member(&self, profile: &Profile, place: usize) -> Option<Value> {
        match profile.members {
            Members::Inline => self.at(profile, place, Sent::Among),
            Members::Links => {
                let id = self.id_at(place)?;
                Some(json!({ "@odata.id": format!("{}/{id}", self.entries_path) }))
            }
        }
    }

    /// The entry that `id` names now.
    pub(crate) fn entry(&self, profile: &Profile, id: &str) -> Option<Value> {
        self.at(profile, self.place_of(id)?, Sent::Alone)
    }

    fn at(&self, profile: &Profile, place: usize, sent: Sent) -> Option<Value> {
        let id = self.id_at(place)?;
        let Slot::Entry(index) = self.slot(place) else { return Some(self.empty_slot(&id)) };
        let item = self.item(index)?;
        let mut value = self.body(profile, item, &id);
        oem(profile, item, &mut value);
        severity(profile.severity, item.logged.severity, sent, &mut value);
        if self.profile.entry_type == "Oem" {
            value["OemRecordFormat"] = json!(self.profile.record_format.unwrap_or(profile.vendor));
        }
        if let Some(etag) = profile.etag {
            value["@odata.etag"] = json!(etag);
        }
        if profile.keys == Keys::OldDell {
            respell(&mut value, &id, self.profile.entry_type);
        }
        if let Some(edit) = &item.edit {
            edit(&mut value);
        }
        Some(value)
    }

    fn body(&self, profile: &Profile, item: &Item, id: &str) -> Value {
        let logged = &item.logged;
        let created = time(profile.time, logged.time);
        let mut value = json!({
            "@odata.id": format!("{}/{id}", self.entries_path),
            "@odata.type": "#LogEntry.v1_9_0.LogEntry",
            "Id": id,
            "Name": "Log Entry",
            "EntryType": self.profile.entry_type,
            "Created": created,
        });
        let fields = match self.profile.shape {
            EntryShape::Usual => json!({
                "Message": logged.message, "MessageId": logged.message_id, "MessageArgs": logged.args,
            }),
            EntryShape::Dbus => json!({
                "Message": logged.message, "Modified": created, "Resolved": false,
                "AdditionalDataURI": format!("{}/{id}/attachment", self.entries_path),
            }),
            EntryShape::HpeEvent => json!({
                "EventId": bmc::uuid(&mut SmallRng::seed_from_u64(self.salt ^ item.cause)),
                "EventTimestamp": created,
                "MessageId": logged.message_id,
                "MessageArgs": logged.args,
                "Links": { "OriginOfCondition": {
                    "@odata.id": format!("/redfish/v1/Systems/{}", profile.system),
                } },
            }),
            EntryShape::SupermicroX10 => json!({
                "Message": logged.message,
                "MessageArgs": ["ArrayOfMessageArgs"],
                "EntryCode": "Assert",
                "OemSensorType": "OEM",
                "Oem": { "Supermicro": { "RawEventData": format!("{:02x} 00 02", logged.number & 0xff) } },
            }),
            EntryShape::AmiSel => json!({
                "Message": logged.message,
                "MessageId": "AmiIpmiOem.1.0.GeneralEventData",
                "EventTimestamp": time(profile.time, logged.time - Months::new(13)),
                "EntryCode": "Assert",
                "EventType": "Alert",
                "SensorNumber": 255,
                "SensorType": "System Event",
            }),
            EntryShape::Cisco => json!({
                "Message": logged.message, "EventId": id, "EventTimestamp": created,
            }),
        };
        if let (Value::Object(value), Value::Object(fields)) = (&mut value, fields) {
            value.extend(fields);
            if logged.message_id.is_empty() {
                value.remove("MessageId");
            }
        }
        value
    }

    /// A slot of HPE's window that was never written (T3, T41).
    fn empty_slot(&self, id: &str) -> Value {
        json!({
            "@odata.id": format!("{}/{id}", self.entries_path),
            "@odata.type": "#LogEntry.v1_9_0.LogEntry",
            "Id": id,
            "Name": "Log Entry",
            "EntryType": self.profile.entry_type,
            "Created": "0000-00-00T00:00:00Z",
            "EventTimestamp": "0000-00-00T00:00:00Z",
            "EventId": "00000000-0000-0000-0000-000000000000",
            "MessageId": "NULL",
            "OemRecordFormat": self.profile.record_format,
            "Severity": "OK",
        })
    }
}

fn oem(profile: &Profile, item: &Item, value: &mut Value) {
    let number = item.logged.number;
    match profile.oem {
        Oem::Plain | Oem::NvidiaLogEntry | Oem::Dell => {}
        // The Event log has no numbers.
        Oem::HpeEventNumber if value.get("EventId").is_some() => {}
        Oem::HpeEventNumber => {
            let (class, code) = item.logged.message_id.split_once('.').unwrap_or_default();
            value["Oem"] = json!({ "Hpe": {
                "Class": class.parse::<u16>().unwrap_or_default(),
                "Code": code.parse::<u16>().unwrap_or_default(),
                "Count": 1,
                "EventNumber": number,
                "Severity": match item.logged.severity {
                    Severity::Ok => "Informational",
                    Severity::Warning => "Caution",
                    Severity::Critical => "Critical",
                },
                "Updated": value["Created"],
            } });
        }
        Oem::LenovoSequence => {
            value["EventId"] = json!("0x4000000e00000000");
            value["Oem"] = json!({ "Lenovo": { "EventSequenceNumber": number } });
        }
    }
}

fn severity(style: SeverityStyle, severity: Severity, sent: Sent, value: &mut Value) {
    value["Severity"] = match (style, severity) {
        (SeverityStyle::Absent, _) => return,
        (SeverityStyle::OnlyAlone, _) if sent == Sent::Among => return,
        (SeverityStyle::Null, _) => Value::Null,
        (SeverityStyle::OkInLowerCase, Severity::Ok) => json!("Ok"),
        (SeverityStyle::OnlyAlone, Severity::Ok) => json!("Normal"),
        _ => json!(severity.as_str()),
    };
}

/// The keys of iDRAC7 and iDRAC8 (T47).
fn respell(value: &mut Value, id: &str, entry_type: &str) {
    let Value::Object(fields) = value else { return };
    for (from, to) in [("MessageId", "MessageID"), ("OemRecordFormat", "OEMRecordFormat")] {
        if let Some(field) = fields.remove(from) {
            fields.insert(to.to_owned(), field);
        }
    }
    fields.remove("@odata.type");
    for key in ["Name", "Description"] {
        fields.insert(key.to_owned(), json!(format!(" Log Entry {id}")));
    }
    if entry_type == "SEL" {
        fields.insert("EntryCode".to_owned(), json!([{ "Member": "Assert" }]));
        fields.insert("SensorType".to_owned(), json!([{ "Member": null }]));
    }
}

/// A time as this BMC writes it in entries.
pub(crate) fn time(style: TimeStyle, at: DateTime<Utc>) -> String {
    match style {
        TimeStyle::Offset => at.to_rfc3339_opts(SecondsFormat::Secs, false),
        TimeStyle::OffsetMillis => at.to_rfc3339_opts(SecondsFormat::Millis, false),
        TimeStyle::Zulu => at.to_rfc3339_opts(SecondsFormat::Secs, true),
        TimeStyle::Local(hours) => local(hours, at),
        TimeStyle::UsCentral => local(if summer_in_us_central(at) { -5 } else { -6 }, at),
        TimeStyle::Blank => at.format("%Y-%m-%d %H:%M:%S ").to_string(),
        TimeStyle::BlankOffset => at.format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        TimeStyle::Ctime => at.format("%a %b %e %H:%M:%S %Y").to_string(),
        TimeStyle::EpochText => at.timestamp().to_string(),
        TimeStyle::Naive => at.format("%Y-%m-%dT%H:%M:%S").to_string(),
    }
}

fn local(hours: i32, at: DateTime<Utc>) -> String {
    let local = (at + TimeDelta::hours(hours.into())).format("%Y-%m-%dT%H:%M:%S");
    format!("{local}{hours:+03}:00")
}

/// From the second Sunday of March to the first of November, 02:00 by the clock that then ends.
fn summer_in_us_central(at: DateTime<Utc>) -> bool {
    let sunday = |month, nth, hour_utc| {
        NaiveDate::from_weekday_of_month_opt(at.year(), month, Weekday::Sun, nth)
            .and_then(|day| day.and_hms_opt(hour_utc, 0, 0))
            .map(|change| change.and_utc())
    };
    sunday(3, 2, 8).is_some_and(|begins| begins <= at) && sunday(11, 1, 7).is_some_and(|ends| at < ends)
}

/// `DateTime` of a log service (T42, T45).
pub(crate) fn service_time(profile: &Profile, now: DateTime<Utc>) -> String {
    let behind = TimeDelta::from_std(profile.service_behind.min(Duration::from_secs(1 << 40)))
        .expect("2^40 seconds are within the range");
    time(profile.service_time.unwrap_or(profile.time), now - behind)
}
