//! Any bytes give the same events however they are cut, and text gives what the bare parser makes of it at once.

#![no_main]

use std::convert::Infallible;

use eventsource_stream::Eventsource;
use futures_util::{FutureExt, StreamExt, stream};
use libfuzzer_sys::fuzz_target;
use redfish::fuzzing::{Seen, sse};

/// What the bare parser makes of the whole text. It waits for a byte after a last CR, so a comment follows.
fn bare(text: &str) -> Vec<Seen> {
    let text = format!("{text}\n:\n");
    let events = stream::iter([Ok::<_, Infallible>(text)]).eventsource().collect::<Vec<_>>();
    let events = events.now_or_never().expect("everything is at hand");
    let good = events.into_iter().map(|event| event.expect("every line of text is a field"));
    let told = good.filter(|event| !event.data.is_empty());
    told.map(|event| (event.data, event.id)).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let whole = sse([bytes]);
    assert_eq!(sse(fuzz::pieces(bytes)), whole, "cut somewhere");
    assert_eq!(sse(bytes.chunks(1)), whole, "cut everywhere");
    // On a byte order mark the bare parser panics.
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains('\u{feff}')
    {
        let ended = sse([bytes, b"\n:\n"]).expect("it is short");
        assert_eq!(ended, bare(text), "as the bare parser");
    }
});
