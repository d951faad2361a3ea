//! Every way of cutting and spoiling a stream; of good text, what `eventsource-stream` reads of it too.

use std::convert::Infallible;

use eventsource_stream::Eventsource;
use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;

use super::*;

/// What a consumer sees of an event: its data, and the id that holds.
type Seen = (String, String);

/// All events of a stream that came in these pieces, each with the id that holds.
fn read(pieces: &[&[u8]]) -> Result<Vec<Seen>, TooLarge> {
    let mut guard = Guard::default();
    let (mut events, mut id) = (Vec::new(), String::new());
    for piece in pieces {
        let mut chunk = Bytes::copy_from_slice(piece);
        while let Some(block) = guard.next_block(&mut chunk)? {
            let fields = Fields::of(&block);
            if let Some(named) = fields.id {
                named.clone_into(&mut id);
            }
            if !fields.data.is_empty() {
                events.push((fields.data.into_owned(), id.clone()));
            }
        }
        assert!(chunk.is_empty(), "everything is taken");
    }
    Ok(events)
}

/// The data of all events.
fn data(pieces: &[&[u8]]) -> Vec<String> {
    read(pieces).unwrap().into_iter().map(|(data, _)| data).collect()
}

/// The bare parser on the whole text at once.
fn bare(text: &str) -> Vec<Seen> {
    let events = stream::iter([Ok::<_, Infallible>(text)]).eventsource();
    let events: Vec<_> = events.collect::<Vec<_>>().now_or_never().unwrap();
    let told = events.into_iter().map(Result::unwrap).filter(|event| !event.data.is_empty());
    told.map(|event| (event.data, event.id)).collect()
}

#[test]
fn t63_a_byte_order_mark_is_dropped_whole_and_split() {
    assert_eq!(data(&[b"\xEF\xBB\xBFdata: a\n\n"]), ["a"]);
    assert_eq!(data(&[b"\xEF", b"\xBB", b"", b"\xBFdata: a\n\n"]), ["a"]);
    assert_eq!(data(&[b"\xEF\xBB\n", b"data: a\n\n"]), ["a"], "what only begins like one is a line");
    assert_eq!(
        data(&[b"data: a\n\n\xEF\xBB\xBFdata: b\n\ndata: c\n\n"]),
        ["a", "c"],
        "in the middle it is text"
    );
}

#[test]
fn t63_all_line_ends_end_lines_also_across_pieces() {
    assert_eq!(data(&[b"data: a\r\n\r\ndata: b\r\n\r\n"]), ["a", "b"]);
    assert_eq!(data(&[b"data: a\r\ndata: b\r\n\r\n"]), ["a\nb"], "CR and LF end one line, not two");
    assert_eq!(data(&[b"data: a\r", b"\ndata: b\r\n\r\n"]), ["a\nb"]);
    assert_eq!(data(&[b"data: a\r", b"\n\r", b"\ndata: b\r\n\r\n"]), ["a", "b"]);
    assert_eq!(data(&[b"data: a\rdata: b\ndata: c\r\n\r\n"]), ["a\nb\nc"]);
    assert_eq!(data(&[b"data: a\r\r"]), ["a"], "a lone CR at the end is enough");
}

#[test]
fn t63_an_event_cut_by_the_end_is_dropped() {
    assert_eq!(data(&[b"data: a\n\ndata: b\n"]), ["a"]);
    assert_eq!(data(&[b"data: a\n\ndata: {\"b\""]), ["a"]);
}

#[test]
fn bad_utf8_costs_only_itself() {
    let mut guard = Guard::default();
    let mut chunk = Bytes::from_static(b"data: 30\xB0C\n\ndata: good\n\n");
    let first = guard.next_block(&mut chunk).unwrap().unwrap();
    assert_eq!(Fields::of(&first).data, "30\u{FFFD}C");
    assert_eq!(guard.replaced(), 1);
    let second = guard.next_block(&mut chunk).unwrap().unwrap();
    assert_eq!(Fields::of(&second).data, "good");
    assert_eq!(guard.replaced(), 1);
    assert_eq!(data(&[b"data: caf\xC3", b"\xA9\n\n"]), ["caf\u{E9}"], "cut inside a character it is good");
}

#[test]
fn comments_are_noticed_and_dropped() {
    let mut guard = Guard::default();
    assert_eq!(
        guard.next_block(&mut Bytes::from_static(b"data: x\n\n")).unwrap().as_deref(),
        Some("data: x\n\n")
    );
    assert!(!guard.take_comments());
    assert_eq!(guard.next_block(&mut Bytes::from_static(b": stream keep-alive\n\n")), Ok(None));
    assert!(guard.take_comments() && !guard.take_comments());
    assert_eq!(data(&[b"data: x\n:y\ndata: z\n\n"]), ["x\nz"]);
}

#[test]
fn an_id_holds_until_another_comes_also_without_data() {
    let ids = |text: &[u8]| -> Vec<String> { read(&[text]).unwrap().into_iter().map(|(_, id)| id).collect() };
    assert_eq!(ids(b"id: 7\ndata: x\n\ndata: y\n\n"), ["7", "7"]);
    assert_eq!(ids(b"id: 9\n\ndata: y\n\n"), ["9"]);
    assert_eq!(ids(b"id: 9\ndata: x\n\nid\ndata: y\n\n"), ["9", ""]);
    assert_eq!(ids(b"id:  9\ndata: x\n\ndata: y\n\n"), [" 9", " 9"], "one blank is dropped, not two");
}

#[test]
fn an_endless_line_and_an_endless_event_are_refused_in_bounded_memory() {
    for piece in [
        &b"xxxxxxxxxxxxxxxx"[..],
        b"data: xxxxxxxxxxxxxxxxx\n",
        b"data: xxxxxxxxxxxxxx\r\n",
        b":xxxxxxxxxxxxx",
    ] {
        let mut guard = Guard::default();
        let chunk = Bytes::from(piece.repeat(1024));
        let mut taken = 0;
        while guard.next_block(&mut chunk.clone()).is_ok() {
            taken += chunk.len();
            assert!(taken <= 2 * EVENT_BYTES_MAX);
            assert!(guard.block.capacity() <= 2 * EVENT_BYTES_MAX);
        }
        assert_eq!(guard.block.capacity(), 0, "nothing is kept after the refusal");
    }
}

#[test]
fn an_event_just_under_the_limit_is_read_and_its_buffer_released() {
    let mut guard = Guard::default();
    let mut event = b"data: ".to_vec();
    event.resize(EVENT_BYTES_MAX - 2, b'x');
    event.extend_from_slice(b"\n\n");
    let block = guard.next_block(&mut Bytes::from(event)).unwrap().unwrap();
    assert_eq!(Fields::of(&block).data.len(), EVENT_BYTES_MAX - 8);
    assert_eq!(guard.block.capacity(), 0);
}

#[test]
fn many_comments_never_fill_an_event() {
    let mut guard = Guard::default();
    for _ in 0..3 {
        assert_eq!(guard.next_block(&mut Bytes::from(b": keep-alive\n\r\n".repeat(1 << 16))), Ok(None));
    }
}

/// One line of a stream, without its end.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(String::new()),
        4 => "data:? ?[a-z{}\":, é€]{0,8}",
        1 => "(id|id:|id: )[0-9a-c]{0,3}",
        1 => "(event: )[a-z]{0,3}",
        1 => "retry: ?[0-9+x]{1,4}",
        1 => ":.{0,5}".prop_map(|comment| comment.replace(['\r', '\n'], "")),
        1 => "[a-z :]{1,6}",
    ]
}

fn stream_text() -> impl Strategy<Value = String> {
    prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r", "\r\n"])), 0..30).prop_map(|lines| {
        // The bare parser waits for a byte after a last CR.
        lines.into_iter().map(|(line, end)| line + end).chain([":\n".to_owned()]).collect()
    })
}

fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn a_good_stream_reads_as_the_bare_parser_reads_it(
        text in stream_text(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        prop_assert_eq!(read(&cut(text.as_bytes(), &places)).unwrap(), bare(&text));
    }

    #[test]
    fn any_bytes_read_alike_however_they_are_cut(
        bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\n: data\xEF\xBB\xBFid".to_vec())], 0..200),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        prop_assert_eq!(read(&cut(&bytes, &places)).unwrap(), read(&[&bytes]).unwrap());
    }
}
