//! Any bytes are a stored record or none, and what is one is stored and read back as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::codec;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((position, record)) = codec::read_line(bytes) {
        fuzz::reads_back(position, &record);
    }
    if let Ok(record) = codec::decode(7, bytes) {
        fuzz::reads_back(7, &record);
    }
});
