//! The program's own log: one line per entry whatever a field holds, capped fields, whole error chains, levels that
//! change while it runs.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bmcwatch::logging::{Chain, Format, Levels, counts, subscriber};
use chrono::DateTime;
use model::Clock;
use tracing_subscriber::fmt::MakeWriter;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Memory {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is written while `act` runs.
fn logged(level: &str, format: Format, act: impl FnOnce(&Levels)) -> String {
    let memory = Memory::default();
    let clock = Clock::from_fn(|| DateTime::from_timestamp_millis(1_795_183_331_304).expect("a valid time"));
    let (subscriber, levels) = subscriber(level, format, clock, memory.clone()).expect("a valid level");
    tracing::subscriber::with_default(subscriber, || act(&levels));
    let bytes = memory.0.lock().expect("no writer panicked").clone();
    String::from_utf8(bytes).expect("lines are UTF-8")
}

#[test]
fn an_entry_is_one_json_object_with_its_fields_and_those_of_its_span() {
    let line = logged("info", Format::Json, |_| {
        let span = tracing::info_span!("slot", endpoint = "r17-u12", tries = 1);
        let _entered = span.enter();
        tracing::warn!(target: "collect::slot", tries = 3, level = "own", "endpoint is down");
    });
    let expected = concat!(
        r#"{"timestamp":"2026-11-20T14:02:11.304Z","level":"warn","target":"collect::slot","#,
        r#""message":"endpoint is down","endpoint":"r17-u12","tries":3,"field.level":"own"}"#,
        "\n"
    );
    // The entry's own word wins over the span's.
    assert_eq!(line, expected);
}

#[test]
fn text_for_people_quotes_what_would_be_ambiguous() {
    let line = logged("info", Format::Text, |_| {
        tracing::info!(target: "t", plain = "a", blank = "a b", empty = "", "hello\nworld");
    });
    assert_eq!(line, "2026-11-20T14:02:11.304Z  INFO t: hello\\nworld plain=a blank=\"a b\" empty=\"\"\n");
}

#[test]
fn hostile_text_can_neither_break_a_line_nor_reach_the_terminal() {
    let hostile = "a\r\nb\u{1b}[31m\u{7f}\u{9b}\u{2028}\u{202e}\0\"\\é";
    for format in [Format::Json, Format::Text] {
        let line = logged("info", format, |_| tracing::info!(field = hostile, "{hostile}"));
        assert_eq!(line.lines().count(), 1);
        let harmful = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}');
        assert!(!line.trim_end_matches('\n').contains(harmful), "{line:?}");
    }
    let line = logged("info", Format::Json, |_| tracing::info!(field = hostile));
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["field"], hostile);
}

#[test]
fn a_long_field_is_cut_at_4_kib_and_says_how_much() {
    let long = "é".repeat(3000);
    let line = logged("info", Format::Json, |_| {
        tracing::info!(string = long, debug = ?long, display = %long, "{long}");
    });
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    let cut = format!("{}…[+{} bytes]", "é".repeat(2048), 6000 - 4096);
    for field in ["string", "display", "message"] {
        assert_eq!(parsed[field], cut, "{field}");
    }
    // The quote in front pushes the boundary into the middle of a character, which is not split.
    let debug = parsed["debug"].as_str().unwrap();
    assert!(debug.ends_with(&format!("é…[+{} bytes]", 6002 - 4095)), "{debug}");
}

#[test]
fn an_error_chain_is_never_cut() {
    let error = io::Error::other("x".repeat(10_000));
    let line = logged("info", Format::Json, |_| tracing::info!(error = %Chain(&error), "failed"));
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["error"].as_str().unwrap().len(), 10_000);
    let line = logged("info", Format::Json, |_| {
        tracing::info!(error = &error as &(dyn std::error::Error + 'static), "failed");
    });
    assert_eq!(
        line.len(),
        logged("info", Format::Json, |_| tracing::info!(error = %Chain(&error), "failed")).len()
    );
}

#[test]
fn the_level_changes_while_the_program_runs_and_lines_are_counted() {
    let before = counts();
    let lines = logged("warn", Format::Text, |levels| {
        tracing::debug!("unheard");
        levels.set("debug").unwrap();
        tracing::debug!("heard");
        levels.set("loud").unwrap_err();
        tracing::debug!("still heard");
        levels.set("off").unwrap();
        tracing::error!("unheard");
    });
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("heard") && lines.contains("still heard") && !lines.contains("unheard"));
    // Other tests of this process log at info and warn only.
    assert_eq!((counts()[3], counts()[0]), (("debug", before[3].1 + 2), before[0]));
}
