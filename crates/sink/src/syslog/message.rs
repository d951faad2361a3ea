//! A record as one line of RFC 5424.
//!
//! Pure. It promises a line that a strict parser reads, in valid UTF-8, without control characters, and never longer than the
//! limit: what does not fit of the structured data is left out, and the text is cut. Not here: how lines are told apart on
//! the wire (`wire`).

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use journal::Position;
use model::{Record, Severity};
use reqwest::Url;

use super::SyslogForm;
use crate::wording::text_of;

/// RFC 5424: the longest PROCID, MSGID, and name within structured data.
const PROCID_MAX: usize = 128;
const MSGID_MAX: usize = 32;
const NAME_MAX: usize = 32;
/// RFC 5424: a `sequenceId` begins anew at 1 behind this.
const SEQUENCE_MAX: u64 = 2_147_483_647;
/// Of the limit, so much is kept for the text: every fourth byte.
const TEXT_SHARE: usize = 4;

/// What every text begins with, so that a receiver knows it as UTF-8.
const BOM: &str = "\u{feff}";
/// What a cut text ends with.
const CUT: &str = "…";

/// The line of a record, at most `limit` bytes. A limit is never below [`super::LIMIT_MIN`], which holds the head of any record.
pub(super) fn line(position: Position, record: &Record, form: &SyslogForm, limit: usize) -> String {
    let text = plain(&text_of(record));
    let mut line = head(record, form);
    let reserved = (text.len() + 1 + BOM.len()).min(limit / TEXT_SHARE);
    structured(&mut line, position, record, form, limit - reserved);
    line.push(' ');
    line.push_str(BOM);
    push_cut(&mut line, &text, limit);
    line
}

fn head(record: &Record, form: &SyslogForm) -> String {
    let facts = &record.facts;
    let severity = match facts.severity {
        Severity::Critical => 2,
        Severity::Warning => 4,
        Severity::Unknown => 5,
        Severity::Ok => 6,
    };
    let priority = u16::from(form.facility.0) * 8 + severity;
    let time = facts.occurred_at.and_then(timestamp).unwrap_or_else(|| "-".to_owned());
    let host = word(record.endpoint.id.as_str(), usize::MAX);
    let service = facts.log_service.as_deref().and_then(|path| path.trim_end_matches('/').rsplit('/').next());
    let service = word(service.unwrap_or_default(), PROCID_MAX);
    let message_id = word(facts.message_id.as_deref().unwrap_or_default(), MSGID_MAX);
    format!("<{priority}>1 {time} {host} redfish {service} {message_id} ")
}

/// A year of other than four digits cannot be said.
fn timestamp(at: DateTime<Utc>) -> Option<String> {
    (0..=9999).contains(&at.year()).then(|| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Appends the structured data, as far as the line stays within `room`.
fn structured(line: &mut String, position: Position, record: &Record, form: &SyslogForm, room: usize) {
    let facts = &record.facts;
    if facts.occurred_at.and_then(timestamp).is_some() {
        // The zone is UTC; whether the BMC's clock is right, nobody knows.
        line.push_str(r#"[timeQuality tzKnown="1" isSynced="0"]"#);
    }
    line.push_str("[origin");
    if let Some(ip) = ip(&record.endpoint.address) {
        push(line, "ip", &ip, room);
    }
    push(line, "software", "bmcwatch", room);
    push(line, "swVersion", env!("CARGO_PKG_VERSION"), room);
    let sequence = position.saturating_sub(1) % SEQUENCE_MAX + 1;
    line.push_str("][meta");
    push(line, "sequenceId", &sequence.to_string(), room);
    line.push_str("][redfish@");
    line.push_str(&form.enterprise.to_string());
    let (uid, position) = (record.uid.to_string(), position.to_string());
    let observed = record.observed_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let own = [
        ("uid", Some(&*uid)),
        ("position", Some(&*position)),
        ("kind", Some(record.kind.as_str())),
        ("source", Some(record.source.as_str())),
        ("observedAt", Some(&*observed)),
        ("messageId", facts.message_id.as_deref()),
        ("id", facts.entry_id.as_deref()),
        ("eventId", facts.event_id.as_deref()),
        ("logService", facts.log_service.as_deref()),
        ("origin", facts.origin.as_deref()),
    ];
    // The bracket that closes the element has its place before anything that can be left out.
    let room = room - 1;
    for (name, value) in own {
        if let Some(value) = value {
            push(line, name, value, room);
        }
    }
    for (name, value) in &record.endpoint.labels {
        let taken = own.iter().any(|(own, _)| own == name);
        push(line, &if taken { format!("label.{name}") } else { name.clone() }, value, room);
    }
    line.push(']');
}

/// The IP address of an endpoint, if it is known by one.
fn ip(address: &str) -> Option<String> {
    let url: Url = address.parse().ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    host.parse().map(|ip: std::net::IpAddr| ip.to_string()).ok()
}

/// Appends a parameter, whole, unless it has no place.
fn push(line: &mut String, name: &str, value: &str, room: usize) {
    let name: String =
        name.chars().filter(|c| c.is_ascii_graphic() && !"=]\"".contains(*c)).take(NAME_MAX).collect();
    let before = line.len();
    if name.is_empty() || before + value.len() > room {
        return;
    }
    line.push(' ');
    line.push_str(&name);
    line.push_str("=\"");
    for c in plain(value).chars() {
        if matches!(c, '"' | '\\' | ']') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
    if line.len() > room {
        line.truncate(before);
    }
}

/// Appends a text as far as it fits, cut between characters.
fn push_cut(line: &mut String, text: &str, limit: usize) {
    let room = limit - line.len();
    if text.len() <= room {
        line.push_str(text);
    } else if room >= CUT.len() {
        line.push_str(&text[..text.floor_char_boundary(room - CUT.len())]);
        line.push_str(CUT);
    }
}

/// A text without what ends a line or steers a terminal.
fn plain(text: &str) -> String {
    let ends_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if ends_line(c) { ' ' } else { c }).collect()
}

/// A word of the head: printable US-ASCII without blanks.
fn word(text: &str, most: usize) -> String {
    let word: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

#[cfg(test)]
mod tests;
