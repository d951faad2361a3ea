//! Any file is a message registry or none; a text of it is bounded, whatever its placeholders and arguments.
//!
//! The first line is a message id, the second an argument, the rest the file, packed or not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redfish::fuzzing::wordings;

/// The longest text of a registry (`redfish::registry`).
const TEXT_BYTES_MAX: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (id, arg) = (line(), line());
    let Some(file) = lines.next() else { return };
    let args = [arg.clone(), String::new(), arg.repeat(64), "%1".to_owned()];
    let Some(texts) = wordings(file, &[id], &args) else { return };
    for text in texts.into_iter().flatten() {
        assert!(text.len() <= TEXT_BYTES_MAX, "{} bytes", text.len());
    }
});
