//! Any state file of infra-controller gives numbers by canonical paths, or words that do not quote it.

#![no_main]

use collect::fuzzing::{canonical, state_file};
use libfuzzer_sys::fuzz_target;

/// All that an error may say of a file, besides numbers.
const WORDS: &str =
    "understand the state file: an unexpected value the end of the text no JSON in line , column ";

fuzz_target!(|text: &[u8]| match state_file(text) {
    Ok(last_seen) => {
        for (log, number) in last_seen {
            // A log is looked for by the path of its service or of its entries.
            if log.starts_with('/') {
                assert_eq!(canonical(&format!("{}/Entries/", log.to_ascii_uppercase())), log);
                assert_eq!(canonical(&format!("https://10.0.0.1{log}/Entries")), log);
            }
            assert!(i64::try_from(number).is_ok());
        }
    }
    Err(error) => {
        let words = error.split(|c: char| c == ' ' || c == ',' || c.is_ascii_digit());
        for word in words {
            assert!(WORDS.contains(word), "{error}");
        }
    }
});
