//! What may reach a terminal: text of BMCs without anything that a terminal obeys, on a line of its own.
//!
//! Not here: the table of records, which sees to that itself (`sink::Table`).

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

/// Unicode's direction marks, overrides and isolates, and its line and paragraph separators.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with such characters escaped as Rust does it.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns_text(c) { clean.extend(c.escape_default()) } else { clean.push(c) }
    }
    clean
}

/// A JSON text with such characters escaped as JSON does it: it says the same. Between its tokens they become blanks.
pub(crate) fn clean_json(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // JSON has these between its tokens only.
            '\t' | '\n' | '\r' => clean.push(' '),
            // All of them are below U+10000, and JSON has them in strings only.
            c if c.is_control() || turns_text(c) => {
                write!(clean, "\\u{:04x}", u32::from(c)).expect("a String takes every write");
            }
            c => clean.push(c),
        }
    }
    clean
}

/// A line for whoever watches, on standard error, so that standard output holds what was asked for alone.
pub(crate) fn note(text: &str) {
    // Where nobody can be told, nobody is.
    drop(writeln!(io::stderr(), "bmcwatch: {}", clean(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\x1b[2J\u{9b}b\u{202e}c\n"), "a\\u{1b}[2J\\u{9b}b\\u{202e}c\\n");
        assert_eq!(clean("über ok"), "über ok");
    }

    #[test]
    fn json_says_the_same_without_steering_the_terminal() {
        let json = "{\"a\":\t\"\u{9b}31m\u{7f}\u{202e}ü\\u001b\"}";
        let clean = clean_json(json);
        assert_eq!(clean, "{\"a\": \"\\u009b31m\\u007f\\u202eü\\u001b\"}");
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&clean), value(json));
    }
}
