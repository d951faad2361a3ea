//! What one event costs from bytes to [`redfish::Event`], beside the least one could do: a plain splitter and
//! `serde_json::Value`, in the same run.
//!
//! Not here: the network and the journal.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{FutureExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use redfish::{EventStream, StreamItem};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Events in one measured stream; criterion's numbers are per stream, its throughput is per event.
const EVENTS: u64 = 1000;

/// A payload of about 1.7 KB, the size of those that iDRACs and iLOs send.
fn payload(number: u64) -> Value {
    json!({
        "@odata.context": "/redfish/v1/$metadata#Event.Event",
        "@odata.id": "/redfish/v1/EventService/Events/12",
        "@odata.type": "#Event.v1_5_0.Event",
        "Context": "bmcwatch",
        "Events": [{
            "@odata.id": "/redfish/v1/EventService/Events/12#/Events/0",
            "EventId": number.to_string(),
            "EventTimestamp": "2026-11-20T14:02:09-06:00",
            "EventType": "Alert",
            "MemberId": "207",
            "Message": "The system inlet temperature is greater than the upper critical threshold of the platform.",
            "MessageArgs": ["Inlet Temp", "47", "upper critical"],
            "MessageArgs@odata.count": 3,
            "MessageId": "IDRAC.2.9.TMP0120",
            "MessageSeverity": "Critical",
            "Severity": "Critical",
            "OriginOfCondition": {"@odata.id": "/redfish/v1/Chassis/System.Embedded.1/Sensors/SystemBoardInletTemp"},
            "Oem": {"Dell": {
                "@odata.type": "#DellEvent.v1_0_0.DellEvent",
                "ServerHostname": "r17-u12.fra1.example",
                "ServiceTag": "ABC1234",
                "RecommendedAction": "Check the room and the air flow through the rack. ".repeat(12),
            }},
        }],
        "Events@odata.count": 1,
        "Id": number.to_string(),
        "Name": "Event Array",
    })
}

fn one_line() -> Bytes {
    (0..EVENTS).flat_map(|at| format!("id: {at}\ndata: {}\n\n", payload(at)).into_bytes()).collect()
}

fn pretty() -> Bytes {
    let pretty = |at| serde_json::to_string_pretty(&payload(at)).expect("a value can be written");
    (0..EVENTS)
        .flat_map(|at| format!("id: {at}\ndata: {}\n\n", pretty(at).replace('\n', "\ndata: ")).into_bytes())
        .collect()
}

/// All events of a stream that comes in pieces of 8 KiB.
fn ours(text: &Bytes) -> u64 {
    let pieces = (0..text.len()).step_by(8192).map(|at| text.slice(at..text.len().min(at + 8192)));
    let pieces = pieces.map(|piece| Ok(Frame::data(piece))).collect::<Vec<_>>();
    let mut stream = EventStream::new(StreamBody::new(stream::iter(pieces)).boxed_unsync(), Instant::now());
    let mut count = 0;
    while let Some(Ok(item)) = stream.next().now_or_never() {
        if let StreamItem::Events { events, .. } = black_box(item) {
            count += events.len() as u64;
        }
    }
    count
}

/// The same by the shortest way: no limits, no keep-alives, no identity, and it must not meet any trap.
fn plain(text: &Bytes) -> u64 {
    let text = str::from_utf8(text).expect("it is JSON");
    let mut count = 0;
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let data: String = block.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let value: Value = black_box(serde_json::from_str(&data).expect("it is JSON"));
        count += value["Events"].as_array().map_or(0, |events| events.len() as u64);
    }
    count
}

fn decode(criterion: &mut Criterion) {
    for (shape, text) in [("one_line", one_line()), ("pretty", pretty())] {
        assert_eq!((ours(&text), plain(&text)), (EVENTS, EVENTS));
        let mut group = criterion.benchmark_group(format!("{shape}_{}_bytes", text.len() as u64 / EVENTS));
        group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
        group.bench_function("event_stream", |bencher| bencher.iter(|| ours(black_box(&text))));
        group.bench_function("splitter_and_value", |bencher| bencher.iter(|| plain(black_box(&text))));
        group.finish();
    }
}

/// One event just under the size limit, of as many lines as fit: its cost must stay linear in its bytes.
fn worst_case(criterion: &mut Criterion) {
    let mut text = b"data:{\n".to_vec();
    text.extend(b"data:\n".repeat(170_000));
    text.extend_from_slice(b"data:}\n\n");
    let text = Bytes::from(text);
    let mut group = criterion.benchmark_group("worst_case");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
    group.bench_function("a_line_of_six_bytes", |bencher| bencher.iter(|| ours(black_box(&text))));
    group.finish();
}

criterion_group!(benches, decode, worst_case);
criterion_main!(benches);
