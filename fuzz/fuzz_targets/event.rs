//! Any stream gives the same items however it is cut, and every event on it can be stored and read back.

#![no_main]

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use libfuzzer_sys::fuzz_target;
use redfish::{EventStream, StreamItem};
use tokio::time::Instant;

/// All that a stream of these pieces gives, and how it ends.
fn read(pieces: &[&[u8]]) -> (Vec<StreamItem>, String) {
    let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let body = StreamBody::new(stream::iter(frames)).boxed_unsync();
    let mut stream = EventStream::new(body, Instant::now());
    let mut items = Vec::new();
    loop {
        match stream.next().now_or_never().expect("all pieces are at hand") {
            Ok(item) => items.push(item),
            Err(end) => {
                let (id, replaced) = (stream.last_event_id(), stream.replaced());
                return (items, format!("{end} {id:?} {replaced} {}", stream.sends_keep_alives()));
            }
        }
    }
}

/// A payload as one event of several lines.
fn framed(payload: &[u8]) -> Vec<u8> {
    let lines = payload.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\ndata: "[..]);
    [b"id: 7\ndata: ", &lines[..], b"\n\n"].concat()
}

fuzz_target!(|bytes: &[u8]| {
    // What begins like JSON comes as one event, so that payloads are found without finding frames first.
    let is_payload = bytes.starts_with(b"{") || bytes.starts_with(b"[");
    let bytes = &if is_payload { framed(bytes) } else { bytes.to_vec() }[..];
    let (items, end) = read(&[bytes]);
    let (cut, cut_end) = read(&fuzz::pieces(bytes));
    assert_eq!((format!("{items:?}"), end), (format!("{cut:?}"), cut_end));
    for item in items {
        if let StreamItem::Events { events, .. } = item {
            for event in events {
                fuzz::is_kept(&event.facts);
            }
        }
    }
});
