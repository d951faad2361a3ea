//! Records as a table for people: one line per record, in columns, cut at the width of the terminal.
//!
//! BMC text is hostile: control characters and marks that turn the direction of text are escaped, so that no BMC can
//! move the cursor or colour its own severity. Not here: JSON lines (`model::codec`), tables of endpoints.

use chrono::{DateTime, SecondsFormat, Utc};
use model::{Record, Severity, codec};

/// The widths of the columns before the message. Longer endpoint ids push the rest; they are never cut.
const TIME_WIDTH: usize = 21;
const ENDPOINT_WIDTH: usize = 16;
const SEVERITY_WIDTH: usize = 8;
const KIND_WIDTH: usize = 15;
const MESSAGE_ID_WIDTH: usize = 28;
/// Below this a terminal is too narrow for columns; lines then wrap rather than say nothing.
const WIDTH_MIN: usize = 60;

/// Whether severities are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// With ANSI escape sequences.
    Ansi,
    /// Not at all.
    Plain,
}

/// How wide and how colourful the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Columns of the terminal; `None` cuts nothing.
    pub width: Option<usize>,
    /// Whether severities are coloured.
    pub colour: Colour,
}

impl Table {
    /// As wide as the terminal is now; uncut when there is none.
    pub fn for_terminal(colour: Colour) -> Self {
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self { width, colour }
    }

    /// Appends the line with the names of the columns.
    pub fn write_header(&self, out: &mut Vec<u8>) {
        let mut line = Line::new(self.width);
        line.cell("TIME", TIME_WIDTH);
        line.cell("ENDPOINT", ENDPOINT_WIDTH);
        line.cell("SEVERITY", SEVERITY_WIDTH);
        line.cell("KIND/SOURCE", KIND_WIDTH);
        line.cell("MESSAGE ID", MESSAGE_ID_WIDTH);
        line.text("MESSAGE");
        line.finish(out);
    }

    /// Appends the line of a record. A time that the BMC did not tell (plausibly) is ours and marked with `~`.
    pub fn write_row(&self, record: &Record, out: &mut Vec<u8>) {
        let facts = &record.facts;
        let time = match facts.occurred_at {
            Some(at) => seconds(at),
            None => format!("{}~", seconds(record.observed_at)),
        };
        let mut line = Line::new(self.width);
        line.cell(&time, TIME_WIDTH);
        line.cell(record.endpoint.id.as_str(), ENDPOINT_WIDTH);
        line.coloured(facts.severity.as_str(), SEVERITY_WIDTH, self.paint(facts.severity));
        line.cell(&format!("{}/{}", record.kind.as_str(), record.source), KIND_WIDTH);
        let id = facts.message_id.as_deref().unwrap_or("-");
        line.cell(&cut(&clean(id), MESSAGE_ID_WIDTH), MESSAGE_ID_WIDTH);
        line.text(&facts.message);
        line.finish(out);
    }

    /// Appends the line of a stored record, or says that it cannot be read.
    pub fn write_stored(&self, position: u64, stored: &[u8], out: &mut Vec<u8>) {
        if let Ok(record) = codec::decode(position, stored) {
            self.write_row(&record, out);
        } else {
            let mut line = Line::new(self.width);
            line.text(&format!("record {position} cannot be read"));
            line.finish(out);
        }
    }

    fn paint(&self, severity: Severity) -> Option<&'static str> {
        match (self.colour, severity) {
            (Colour::Plain, _) | (Colour::Ansi, Severity::Unknown) => None,
            (Colour::Ansi, Severity::Ok) => Some("\x1b[32m"),
            (Colour::Ansi, Severity::Warning) => Some("\x1b[33m"),
            (Colour::Ansi, Severity::Critical) => Some("\x1b[1;31m"),
        }
    }
}

fn seconds(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A line that grows to the right and stops at the width.
struct Line {
    text: String,
    left: Option<usize>,
}

impl Line {
    fn new(width: Option<usize>) -> Self {
        Self { text: String::new(), left: width.filter(|width| *width >= WIDTH_MIN) }
    }

    fn cell(&mut self, text: &str, width: usize) {
        self.coloured(text, width, None);
    }

    fn coloured(&mut self, text: &str, width: usize, paint: Option<&str>) {
        let text = clean(text);
        let padding = width.saturating_sub(text.chars().count());
        self.text.push_str(paint.unwrap_or_default());
        self.push(&text);
        self.text.push_str(paint.map_or("", |_| "\x1b[0m"));
        self.push(&" ".repeat(padding + 2));
    }

    fn text(&mut self, text: &str) {
        self.push(&clean(text));
    }

    fn push(&mut self, text: &str) {
        let Some(left) = self.left else {
            self.text.push_str(text);
            return;
        };
        let text = cut(text, left);
        self.left = Some(left - text.chars().count());
        self.text.push_str(&text);
    }

    fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text.trim_end().as_bytes());
        out.push(b'\n');
    }
}

/// At most `width` characters, the last one an ellipsis when something was cut.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { format!("{kept}…") }
}

/// The text without anything that a terminal obeys.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_text(c) { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    clean
}

/// Unicode's direction marks, overrides and isolates, and its line and paragraph separators.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Endpoint, EndpointId, Facts, Kind, Origin, Uid};

    use super::*;

    fn record(message: &str) -> Record {
        let endpoint = Endpoint {
            id: EndpointId::try_from("r17-u12").unwrap(),
            address: "https://10.0.17.12".to_owned(),
            labels: [].into(),
        };
        let facts = Facts {
            occurred_at: Some("2026-11-20T14:02:09Z".parse().unwrap()),
            occurred_at_raw: None,
            severity: Severity::Critical,
            message: message.to_owned(),
            message_id: Some("IDRAC.2.9.CPU0001".to_owned()),
            message_args: Vec::new(),
            log_service: None,
            entry_id: None,
            event_id: None,
            origin: None,
            original: None,
        };
        Record {
            uid: Uid::derive([b"x".as_slice()]),
            kind: Kind::Entry,
            source: Origin::Backfill,
            endpoint: Arc::new(endpoint),
            observed_at: "2026-11-20T14:02:11.304Z".parse().unwrap(),
            facts,
        }
    }

    fn row(table: Table, record: &Record) -> String {
        let mut out = Vec::new();
        table.write_row(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    const PLAIN: Table = Table { width: None, colour: Colour::Plain };

    #[test]
    fn a_row_lies_under_its_header() {
        let mut out = Vec::new();
        PLAIN.write_header(&mut out);
        let header = String::from_utf8(out).unwrap();
        let row = row(PLAIN, &record("CPU 1 has an internal error"));
        let expected = "2026-11-20T14:02:09Z   r17-u12           critical  entry/backfill   IDRAC.2.9.CPU0001             \
                        CPU 1 has an internal error\n";
        assert_eq!(row, expected);
        assert_eq!(header.find("MESSAGE\n"), row.find("CPU 1"));
    }

    #[test]
    fn a_row_is_cut_at_the_width_of_the_terminal() {
        let row = row(Table { width: Some(110), ..PLAIN }, &record(&"é".repeat(100)));
        assert_eq!(row.trim_end().chars().count(), 110);
        assert!(row.ends_with("é…\n"));
    }

    #[test]
    fn a_bmc_cannot_steer_the_terminal() {
        let row = row(PLAIN, &record("a\x1b[2Jb\nc\u{202e}d\u{9b}e"));
        assert!(row.ends_with("a\\u{1b}[2Jb\\nc\\u{202e}d\\u{9b}e\n"), "{row}");
        assert_eq!(row.lines().count(), 1);
    }

    #[test]
    fn only_the_severity_is_coloured() {
        let row = row(Table { width: Some(110), colour: Colour::Ansi }, &record("m"));
        assert!(row.contains("\x1b[1;31mcritical\x1b[0m"));
        assert_eq!(row.matches('\x1b').count(), 2);
    }

    #[test]
    fn a_time_that_the_bmc_did_not_tell_is_marked() {
        let mut record = record("m");
        record.facts.occurred_at = None;
        assert!(row(PLAIN, &record).starts_with("2026-11-20T14:02:11Z~  r17"));
    }

    #[test]
    fn a_stored_record_that_cannot_be_read_is_still_one_line() {
        let mut out = Vec::new();
        PLAIN.write_stored(9, b"nonsense", &mut out);
        assert_eq!(out, b"record 9 cannot be read\n");
    }
}
