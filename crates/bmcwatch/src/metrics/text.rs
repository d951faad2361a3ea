//! The text exposition format of Prometheus (version 0.0.4), written straight to the parts that are sent.
//!
//! Series of 10,000 endpoints cost milliseconds this way; through a registry they cost ten times that and stay in
//! memory. Not here: which series there are (`endpoints`, `journal`, `sinks`).

use std::{
    borrow::BorrowMut,
    fmt::{Display, Write},
};

use chrono::{DateTime, TimeDelta, Utc};
use itoa::Integer;

/// A part is full when it has so many bytes: a page of 10 MB is never one string that is copied while it grows, nor
/// leaves a hole of its size in the heap. Only the first of a family grows, since most families of a small fleet never fill
/// one.
const PART_BYTES: usize = 64 << 10;
/// Room for the sample that makes a part full. A longer one is no harm.
const PART_BYTES_OVER: usize = 1 << 10;

/// A text in parts, each of whole lines.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<String>);

impl Parts {
    /// Begins with what was written elsewhere, however long it is.
    pub(super) fn of(text: String) -> Self {
        Self(vec![text])
    }

    /// Where the next lines go.
    fn last(&mut self) -> &mut String {
        if self.0.last().is_none_or(|last| last.len() >= PART_BYTES) {
            let room = if self.0.is_empty() { 0 } else { PART_BYTES + PART_BYTES_OVER };
            self.0.push(String::with_capacity(room));
        }
        self.0.last_mut().expect("one was put there")
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(super) fn into_strings(self) -> Vec<String> {
        self.0
    }
}

/// A page that grows. Every family begins with its HELP and TYPE lines.
#[derive(Debug)]
pub(super) struct Text<'a> {
    prefix: &'a str,
    out: Parts,
}

/// The type of a family.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    Counter,
    Gauge,
}

impl<'a> Text<'a> {
    /// Goes on with a page; families are called `prefix_...`.
    pub(super) fn after(out: Parts, prefix: &'a str) -> Self {
        Self { prefix, out }
    }

    pub(super) fn finish(self) -> Parts {
        self.out
    }

    /// Begins a family on the page. Its samples must follow before the next family begins.
    pub(super) fn family(&mut self, name: &'static str, kind: Type, help: &str) -> Family<&mut Parts> {
        begin(self.prefix, &mut self.out, (name, kind, help))
    }

    /// Puts a family onto the page that was written beside it.
    pub(super) fn put(&mut self, family: Family<Parts>) {
        self.out.append(family.out);
    }
}

/// Begins a family beside the page, which is put onto it later: so many can be written at once.
pub(super) fn beside(prefix: &str, name: &'static str, kind: Type, help: &str) -> Family<Parts> {
    begin(prefix, Parts::default(), (name, kind, help))
}

fn begin<O: BorrowMut<Parts>>(prefix: &str, mut out: O, family: (&str, Type, &str)) -> Family<O> {
    let (name, kind, help) = family;
    let kind = match kind {
        Type::Counter => "counter",
        Type::Gauge => "gauge",
    };
    let head = format_args!("# HELP {prefix}_{name} {help}\n# TYPE {prefix}_{name} {kind}\n");
    out.borrow_mut().last().write_fmt(head).expect("a String takes every write");
    Family { name: format!("{prefix}_{name}"), out }
}

/// One family, to which samples are added.
#[derive(Debug)]
pub(super) struct Family<O> {
    name: String,
    out: O,
}

impl<O: BorrowMut<Parts>> Family<O> {
    /// Adds a sample.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        writeln!(self.begin("", labels), "{value}").expect("a String takes every write");
    }

    /// Adds a sample with a label that is written already, as [`label`] writes it, before the others.
    pub(super) fn sample_of(&mut self, first: &str, labels: &[(&str, &str)], value: impl Integer) {
        let out = self.begin(first, labels);
        out.push_str(itoa::Buffer::new().format(value));
        out.push('\n');
    }

    /// Adds a sample that says a time, in seconds since 1970; nothing when there is none.
    pub(super) fn time(&mut self, first: &str, at: Option<DateTime<Utc>>) {
        if let Some(at) = at {
            self.seconds(first, at.timestamp_millis());
        }
    }

    /// Adds a sample that says how long, in seconds, below zero as well; nothing when it is not known.
    pub(super) fn duration(&mut self, first: &str, duration: Option<TimeDelta>) {
        if let Some(duration) = duration {
            self.seconds(first, duration.num_milliseconds());
        }
    }

    fn seconds(&mut self, first: &str, millis: i64) {
        let out = self.begin(first, &[]);
        if millis < 0 {
            out.push('-');
        }
        let millis = millis.unsigned_abs();
        out.push_str(itoa::Buffer::new().format(millis / 1000));
        // Written behind a 1, a fraction keeps its zeros.
        out.push('.');
        out.push_str(&itoa::Buffer::new().format(1000 + millis % 1000)[1..]);
        out.push('\n');
    }

    /// Everything of a sample but its value.
    fn begin(&mut self, first: &str, labels: &[(&str, &str)]) -> &mut String {
        let out = self.out.borrow_mut().last();
        out.push_str(&self.name);
        if !(first.is_empty() && labels.is_empty()) {
            out.push('{');
            out.push_str(first);
            for (number, (name, text)) in labels.iter().enumerate() {
                if number > 0 || !first.is_empty() {
                    out.push(',');
                }
                push_label(name, text, out);
            }
            out.push('}');
        }
        out.push(' ');
        out
    }
}

/// A label as it stands in a sample.
pub(super) fn label(name: &str, text: &str) -> String {
    let mut out = String::with_capacity(name.len() + text.len() + 3);
    push_label(name, text, &mut out);
    out
}

fn push_label(name: &str, text: &str, out: &mut String) {
    out.push_str(name);
    out.push_str("=\"");
    escape(text, out);
    out.push('"');
}

/// A label value as the format wants it: backslash, quote and line feed escaped. Other control characters, which a BMC
/// may put into its vendor or product, are dropped: no reader of the page needs them.
fn escape(text: &str, out: &mut String) {
    // Nearly every value is plain: copying it whole is what makes a page of megabytes cheap, and counting is quicker than
    // to stop at the first that is not.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
    if text.bytes().filter(is_plain).count() == text.len() {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_label_value_stays_inside_its_quotes() {
        let mut text = Text::after(Parts::default(), "p");
        text.family("x", Type::Gauge, "Help.").sample(&[("a", "q\"b\\n\nx\ty\u{7}"), ("b", "é")], 1);
        let expected = "# HELP p_x Help.\n# TYPE p_x gauge\np_x{a=\"q\\\"b\\\\n\\nxy\",b=\"é\"} 1\n";
        assert_eq!(text.finish().0.concat(), expected);
    }

    #[test]
    fn a_duration_is_in_seconds_on_either_side_of_zero() {
        let mut text = Text::after(Parts::default(), "p");
        let mut family = text.family("d_seconds", Type::Gauge, "Help.");
        for millis in [-1_500, -20, 0, 61_004] {
            family.duration("", Some(TimeDelta::milliseconds(millis)));
        }
        family.duration("a=\"b\"", None);
        let page = text.finish().0.concat();
        let samples: Vec<_> = page.lines().skip(2).collect();
        assert_eq!(
            samples,
            ["p_d_seconds -1.500", "p_d_seconds -0.020", "p_d_seconds 0.000", "p_d_seconds 61.004"]
        );
    }

    #[test]
    fn a_time_is_in_seconds_and_absent_when_unknown() {
        let mut text = Text::after(Parts::default(), "p");
        let mut family = text.family("t_seconds", Type::Gauge, "Help.");
        family.time("", Some("2026-11-20T14:02:09.304Z".parse().unwrap()));
        family.time("a=\"b\"", None);
        assert!(text.finish().0.concat().ends_with("\np_t_seconds 1795183329.304\n"));
    }
}
