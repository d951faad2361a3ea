//! One entry as one line, for programs or for people. Whatever a field holds, the line stays one line.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use tracing::Metadata;

use super::field::{Fields, Value};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object: `timestamp`, `level`, `target`, `message`, then the other fields.
    Json,
    /// `timestamp LEVEL target: message name=value ...`
    Text,
}

/// The names of a JSON line that a field cannot take.
const TAKEN: [&str; 4] = ["timestamp", "level", "target", "message"];

pub(super) fn line(format: Format, now: DateTime<Utc>, metadata: &Metadata<'_>, fields: &Fields) -> String {
    match format {
        Format::Json => json(now, metadata, fields),
        Format::Text => text(now, metadata, fields),
    }
}

fn json(now: DateTime<Utc>, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let mut line = String::with_capacity(256);
    let timestamp = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let level = metadata.level().as_str().to_lowercase();
    let message = fields.message.as_deref().unwrap_or_default();
    for (name, value) in [
        ("timestamp", timestamp.as_str()),
        ("level", &level),
        ("target", metadata.target()),
        ("message", message),
    ] {
        line.push(if line.is_empty() { '{' } else { ',' });
        write!(line, "\"{name}\":").expect("a String takes everything");
        json_string(&mut line, value);
    }
    for (name, value) in &fields.others {
        line.push(',');
        let prefix = if TAKEN.contains(name) { "field." } else { "" };
        json_string(&mut line, &format!("{prefix}{name}"));
        line.push(':');
        match value {
            Value::Text(text) => json_string(&mut line, text),
            Value::Bare(text) => line.push_str(text),
        }
    }
    line.push_str("}\n");
    line
}

fn text(now: DateTime<Utc>, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let timestamp = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut line = format!("{timestamp} {:>5} {}: ", metadata.level(), metadata.target());
    escaped(&mut line, fields.message.as_deref().unwrap_or_default());
    for (name, value) in &fields.others {
        write!(line, " {name}=").expect("a String takes everything");
        match value {
            Value::Bare(text) => line.push_str(text),
            Value::Text(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => {
                escaped(&mut line, text);
            }
            Value::Text(text) => {
                line.push('"');
                escaped(&mut line, &text.replace('"', "\\\""));
                line.push('"');
            }
        }
    }
    line.push('\n');
    line
}

/// Characters that move the cursor, end a line, or turn the direction of text.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// For people: a harmful character as in Rust, such as `\n` or `\u{1b}`.
fn escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_harmful(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
}

fn json_string(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            // All of them stand in the Basic Multilingual Plane, so one escape is enough.
            _ if is_harmful(c) => write!(line, "\\u{:04x}", u32::from(c)).expect("a String takes everything"),
            _ => line.push(c),
        }
    }
    line.push('"');
}
