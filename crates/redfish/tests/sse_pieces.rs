//! Whatever the pieces a stream comes in and whatever is spoiled in it, it gives the same items, and never a panic.

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;
use redfish::{EventStream, StreamItem};
use tokio::time::Instant;

const STREAMS: [&str; 6] = [
    include_str!("fixtures/dell_idrac9.sse"),
    include_str!("fixtures/lenovo_xcc.sse"),
    include_str!("fixtures/dell_metric_report.sse"),
    include_str!("fixtures/bmcweb_pretty.sse"),
    include_str!("fixtures/bmcweb_buffer_exceeded.sse"),
    include_str!("fixtures/foxconn_object.sse"),
];

/// All that a stream of these pieces gives, as text, without waiting for anything.
fn read(bytes: &[u8], mut places: Vec<usize>) -> Vec<String> {
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let pieces: Vec<_> = places
        .windows(2)
        .map(|pair| Ok(Frame::data(Bytes::copy_from_slice(&bytes[pair[0]..pair[1]]))))
        .collect();
    let mut stream = EventStream::new(StreamBody::new(stream::iter(pieces)).boxed_unsync(), Instant::now());
    let mut told = Vec::new();
    while let Ok(item) = stream.next().now_or_never().expect("all pieces are at hand") {
        match item {
            StreamItem::Events { events, rejected, noise, name } => {
                let digests: Vec<_> = events.iter().map(|event| event.identity.fingerprint()).collect();
                told.push(format!("{digests:?} {rejected} {noise:?} {name:?}"));
            }
            other => told.push(format!("{other:?}")),
        }
    }
    told.push(format!("{:?} {} {}", stream.last_event_id(), stream.bytes(), stream.sends_keep_alives()));
    told
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn pieces_make_no_difference(
        order in prop::sample::subsequence(STREAMS.to_vec(), 1..=6),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        spoiled in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = order.concat().into_bytes();
        for (place, byte) in spoiled {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let places = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
        prop_assert_eq!(read(&bytes, places), read(&bytes, Vec::new()));
    }
}

#[test]
fn byte_by_byte_is_no_difference_either() {
    for text in STREAMS {
        assert_eq!(read(text.as_bytes(), (0..text.len()).collect()), read(text.as_bytes(), Vec::new()));
    }
}
