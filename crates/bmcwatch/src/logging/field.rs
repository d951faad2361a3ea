//! The fields of one log entry, capped.

use std::{error::Error, fmt, fmt::Write as _};

use tracing::field::{Field, Visit};

use super::Chain;

/// Longest text of one field. BMC text is hostile; a log line is not the place for a whole event.
const FIELD_BYTES_MAX: usize = 4 << 10;

/// Fields that hold error chains; they are written whole.
const CHAINS: [&str; 2] = ["error", "error_chain"];

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Anything that prints.
    Text(String),
    /// Numbers and booleans, as JSON writes them.
    Bare(String),
}

/// The fields of an entry, in the order they were given, each name once.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) message: Option<String>,
    pub(super) others: Vec<(&'static str, Value)>,
}

impl Fields {
    /// Adds what an outer span says and this does not.
    pub(super) fn inherit(&mut self, outer: &Self) {
        for (name, value) in &outer.others {
            if self.others.iter().all(|(known, _)| known != name) {
                self.others.push((name, value.clone()));
            }
        }
    }

    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        match (name, value) {
            ("message", Value::Text(text) | Value::Bare(text)) => self.message = Some(text),
            (_, value) => match self.others.iter_mut().find(|(known, _)| *known == name) {
                Some((_, old)) => *old = value,
                None => self.others.push((name, value)),
            },
        }
    }

    fn print(&mut self, field: &Field, arguments: fmt::Arguments<'_>) {
        let mut capped = Capped {
            text: String::new(),
            room: if CHAINS.contains(&field.name()) { usize::MAX } else { FIELD_BYTES_MAX },
            cut: 0,
        };
        let printed = capped.write_fmt(arguments);
        let mut text = capped.finish();
        if printed.is_err() {
            text.push_str("…[cannot be printed]");
        }
        self.set(field, Value::Text(text));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.print(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.print(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, Value::Text(Chain(value).to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Bare(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for infinity.
        let text = value.to_string();
        self.set(field, if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }
}

/// Keeps the first bytes that are printed into it, and counts the rest without storing it.
struct Capped {
    text: String,
    room: usize,
    cut: usize,
}

impl Capped {
    fn finish(self) -> String {
        let Self { mut text, cut, .. } = self;
        if cut > 0 {
            write!(text, "…[+{cut} bytes]").expect("a String takes everything");
        }
        text
    }
}

impl fmt::Write for Capped {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // Once something was cut, nothing behind it may follow.
        let room = if self.cut > 0 { 0 } else { self.room.saturating_sub(self.text.len()) };
        let kept = piece.floor_char_boundary(room);
        self.text.push_str(&piece[..kept]);
        self.cut += piece.len() - kept;
        Ok(())
    }
}
