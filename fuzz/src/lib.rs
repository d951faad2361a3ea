//! What several targets need: pieces of a stream, and the way of a record through the journal and back.
//!
//! Not here: what must hold (each target says it), seeds (`seeds`).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use model::{Endpoint, EndpointId, Facts, Kind, Origin, Record, Uid, codec};

/// The moment at which the targets read: implausible times are told by it.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_680_000, 123_000_000).expect("it is a moment of 2026")
}

/// The bytes in pieces of 0 to 15 bytes, at places that follow from the bytes.
pub fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    while let Some(&first) = rest.first() {
        state = (state ^ u64::from(first)).wrapping_mul(0x0100_0000_01b3);
        let length = usize::try_from(state >> 60).expect("it has four bits").min(rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// What a BMC said, as a record that is stored as `collect::ingest` would store it, must read back as it was.
pub fn is_kept(facts: &Facts) {
    let plausible = facts.occurred_at.filter(|at| redfish::plausible(*at, now()));
    let endpoint = Endpoint {
        id: EndpointId::try_from("r17-u12").expect("it is an id"),
        address: "https://10.0.17.12".to_owned(),
        labels: [("rack".to_owned(), "r17".to_owned())].into(),
    };
    let record = Record {
        uid: Uid::derive([facts.message.as_bytes()]),
        kind: Kind::Entry,
        source: Origin::Poll,
        endpoint: Arc::new(endpoint),
        observed_at: now(),
        facts: Facts { occurred_at: plausible, ..facts.clone() },
    };
    reads_back(7, &record);
}

/// A record that is stored reads back as it was, and its line is one line.
pub fn reads_back(position: u64, record: &Record) {
    let stored = codec::encode(record);
    let mut line = Vec::new();
    codec::write_line(position, &stored, &mut line);
    let ends = line.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    assert!(ends == 1 && line.ends_with(b"\n"), "one record is one line");
    let (back_at, back) = codec::read_line(&line).expect("what was written is read");
    assert_eq!(back_at, position);
    assert_eq!(shown(&back), shown(record));
    let again = codec::decode(position, &codec::encode(&back)).expect("what was read is written and read");
    assert_eq!(shown(&again), shown(record));
}

/// A record as text. Line ends between the tokens of the BMC's JSON become blanks in a line.
fn shown(record: &Record) -> String {
    let original = record.facts.original.as_ref().map(|raw| raw.get().replace(['\n', '\r'], " "));
    let facts = Facts { original: None, ..record.facts.clone() };
    let Record { uid, kind, source, endpoint, observed_at, .. } = record;
    format!("{uid} {kind:?} {source} {endpoint:?} {} {facts:?} {original:?}", observed_at.timestamp_millis())
}
