//! No text panics; what a text names is what chrono reads in it too, where chrono reads it.

#![no_main]

use chrono::{DateTime, SecondsFormat, Timelike};
use libfuzzer_sys::fuzz_target;
use redfish::fuzzing::time;

fuzz_target!(|text: &str| {
    let ours = time(text);
    if let Some(at) = ours {
        let again = time(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        // Beyond the year 9999 there is no such text.
        assert!(again == Some(at) || at.timestamp() > 253_402_300_799 || at.timestamp() < -62_167_219_200);
    }
    if text.len() <= 64
        && let Ok(theirs) = DateTime::parse_from_rfc3339(text)
        // A leap second is told apart by chrono and is the second before it here.
        && theirs.nanosecond() < 1_000_000_000
    {
        assert_eq!(ours, Some(theirs.to_utc()));
    }
});
