//! An event as bytes of a stream: the Event resource around a record and its cutting into `id:` and `data:`
//! lines, as each vendor does it.

use std::fmt::Write;

use bytes::Bytes;
use chrono::SubsecRound;
use serde::Serialize;
use serde_json::{Value, json, ser::PrettyFormatter};

use crate::{
    entry,
    log::Edit,
    profile::{Framing, Oem, Profile, RecordShape, StreamTime, TimeStyle},
    truth::Logged,
};

/// One event with the ids it carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventIds {
    /// `EventId` of the record.
    pub(crate) record: u64,
    /// `Id` of the Event and `id:` of the frame.
    pub(crate) payload: u64,
}

impl EventIds {
    /// The next ids from a counter that starts at 0 with the BMC (T58, T59).
    pub(crate) fn next(shape: RecordShape, counter: &mut u64) -> Self {
        *counter += 1;
        let record = *counter;
        match shape {
            // bmcweb counts on after the last record of a batch, in a copy that it then forgets.
            RecordShape::Bmcweb => Self { record, payload: record + 1 },
            RecordShape::Nvidia | RecordShape::Full => Self { record, payload: record },
        }
    }
}

/// The bytes of one frame on the stream; its payload id is that of the last event.
pub(crate) fn frame(profile: &Profile, events: &[(&Logged, EventIds)], edit: Option<&Edit>) -> Bytes {
    let id = events.last().map_or(0, |(_, ids)| ids.payload);
    let records: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(member, (logged, ids))| record(profile, logged, ids.record, member))
        .collect();
    let mut payload = json!({
        "@odata.type": "#Event.v1_9_0.Event",
        "Id": id.to_string(),
        "Name": "Event Log",
        "Events": records,
    });
    if let Some(edit) = edit {
        edit(&mut payload);
    }
    cut(profile.framing, id, &payload)
}

/// What bmcweb answers to a `Last-Event-ID` that it does not know: a bare Message (T55).
pub(crate) fn buffer_exceeded(profile: &Profile, id: u64) -> Bytes {
    let message = json!({
        "@odata.type": "#Message.v1_1_1.Message",
        "Message": "Undelivered events may have been lost due to exceeding the event buffer.",
        "MessageArgs": [],
        "MessageId": "Base.1.19.EventBufferExceeded",
        "MessageSeverity": "Warning",
        "Resolution": "None.",
    });
    cut(profile.framing, id, &message)
}

fn record(profile: &Profile, logged: &Logged, id: u64, member: usize) -> Value {
    let time = match profile.stream_time {
        StreamTime::AsLogged => logged.time,
        StreamTime::FractionStripped => logged.time.trunc_subsecs(0),
    };
    let mut time = entry::time(profile.time, time);
    if matches!(profile.time, TimeStyle::Local(_) | TimeStyle::UsCentral) {
        // `-06:00` in entries, `-0600` on the stream.
        time.remove(time.len() - 3);
    }
    let mut record = json!({
        "EventId": id.to_string(),
        "EventTimestamp": time,
        "Message": logged.message,
        "MessageId": logged.message_id,
        "MessageArgs": logged.args,
    });
    let severity = logged.severity.as_str();
    match profile.record {
        RecordShape::Bmcweb => {
            record["Severity"] = json!(severity);
            record["Context"] = json!("");
        }
        RecordShape::Nvidia => record["MessageSeverity"] = json!(severity),
        RecordShape::Full => {
            record["Severity"] = json!(severity);
            record["MessageSeverity"] = json!(severity);
            record["MemberId"] = json!(member.to_string());
            record["EventType"] = json!("Alert");
        }
    }
    let system = format!("/redfish/v1/Systems/{}", profile.system);
    match (profile.oem, &logged.log) {
        (Oem::NvidiaLogEntry, Some(log)) => {
            record["LogEntry"] = json!({ "@odata.id": format!("{log}/Entries/{}", logged.id) });
            record["OriginOfCondition"] = json!({ "@odata.id": system });
        }
        (Oem::LenovoSequence, _) => {
            record["EventId"] = json!("0x4000000e00000000");
            record["OriginOfCondition"] = json!({ "@odata.id": system });
            record["Oem"] = json!({ "Lenovo": { "EventSequenceNumber": logged.number } });
        }
        (Oem::Dell, _) => {
            record["OriginOfCondition"] = json!(system);
            record["Oem"] = json!({ "Dell": { "ServerHostname": "" } });
        }
        (Oem::Plain | Oem::HpeEventNumber | Oem::NvidiaLogEntry, _) => {}
    }
    record
}

fn cut(framing: Framing, id: u64, payload: &Value) -> Bytes {
    let (text, start, colon) = match framing {
        Framing::MultiLine => (escaped(&pretty(payload, b"  ")), format!("id: {id}\n"), "data: "),
        Framing::MultiLineTight => (pretty(payload, b"    "), format!("id:{id}\n"), "data:"),
        Framing::OneLine => (payload.to_string(), format!("id: {id}\n"), "data: "),
        Framing::OneLineTight => (payload.to_string(), format!("id:{id}\n"), "data:"),
    };
    let mut frame = start;
    for line in text.lines() {
        frame.push_str(colon);
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    frame.into()
}

fn pretty(value: &Value, indent: &[u8]) -> String {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(indent));
    value.serialize(&mut writer).expect("JSON values always serialize into memory");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Every character outside ASCII as `\uXXXX`: they can only stand inside JSON strings.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").expect("writing into a string never fails");
            }
        }
    }
    out
}
