//! What benchmarks append: batches of 100 records of 1 KB from 10,000 scopes, with one mark each.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use journal::{Batch, Item, Journal, Key, Location, Mark, Retention, Twin, When};
use tokio::task::JoinSet;

/// Records of a batch.
pub(crate) const ITEMS: u64 = 100;
/// Bytes of a record.
pub(crate) const RECORD_BYTES: usize = 1000;

/// How far apart they happened: ten million fill the thirty days for which a twin waits.
const APART_MS: i64 = 259;

/// Nothing is trimmed.
pub(crate) fn keep_all() -> Retention {
    Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX }
}

/// A journal and the task of its writer.
pub(crate) async fn open(directory: &Path, retention: Retention) -> (Journal, JoinSet<()>) {
    let location = Location::Directory(directory.to_owned());
    let (journal, writer) = Journal::open(location, retention, Arc::new(|| 0)).await.expect("a new journal");
    let mut writers = JoinSet::new();
    writers.spawn(writer.run());
    (journal, writers)
}

/// The batch that begins with a number: of one scope, with one mark, its keys made by `key`.
pub(crate) fn batch(first: u64, key: fn(u64) -> Key, twin: Option<Twin>) -> Batch {
    let item = |number: u64| {
        let key = key(number);
        let at_ms = number.cast_signed() * APART_MS;
        let twins =
            twin.map(|twin| Twin { content: key, at_ms: twin.at_ms + at_ms, ..twin }).into_iter().collect();
        Item { key, twins, bytes: Some(vec![b'x'; RECORD_BYTES]), when: When::Always }
    };
    Batch {
        scope: format!("bmc-{:05}", scope(first)).into(),
        items: (first..first + ITEMS).map(item).collect(),
        marks: vec![Mark { name: "sel".into(), value: first.to_le_bytes().to_vec() }],
    }
}

fn scope(number: u64) -> u64 {
    number / ITEMS % 10_000
}

/// The key of a record that lies beside the others of its scope and its hour, as [`journal::Key`] advises.
pub(crate) fn by_scope(number: u64) -> Key {
    let mut key = key(scatter(scope(number)), number);
    let hour = number.cast_signed() * APART_MS / 3_600_000;
    key[3..5].copy_from_slice(&hour.to_be_bytes()[6..]);
    key
}

/// A key that begins with these bytes.
pub(crate) fn key(first: u64, number: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&first.to_be_bytes());
    key[8..].copy_from_slice(&scatter(number).to_be_bytes());
    key
}

/// Scattered like hashes (the mixer of splitmix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
/// A point in real time.
pub(crate) fn now() -> Instant {
    Instant::now()
}
