//! An open event stream: bytes in, events out.
//!
//! An idle stream holds its connection, an id and a few counters: no buffer. Not here: deadlines. A stream may be
//! silent for days (T51), so it is the collector that watches [`EventStream::last_byte_at`].

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    mem,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    Body, Event, StreamError,
    event::{self, Decoded},
    sse::{self, EVENT_BYTES_MAX, Fields, Guard},
    text::loose::{Object, Text},
};

/// The longest id that is kept for `Last-Event-ID`: it goes into a request header, and no BMC needs more.
const EVENT_ID_BYTES_MAX: usize = 256;
/// How far into a payload its type is looked for before it is parsed.
const TYPE_WITHIN_BYTES: usize = 512;
/// Records of one payload. A whole log in one event (T60) has some thousands, of 200 bytes and more each.
const RECORDS_MAX: usize = 8192;
/// Two comments that come so far apart are keep-alives; some BMCs greet with one, and never send another.
const KEEP_ALIVES_APART: Duration = Duration::from_secs(1);

/// What came on the stream.
#[derive(Debug)]
pub enum StreamItem {
    /// The records of one Event payload (or one bare record, T56), those that could be read.
    Events {
        /// The readable ones, in order.
        events: Vec<Event>,
        /// How many could not be read.
        rejected: u32,
        /// What else it held.
        noise: Noise,
        /// Equal for two payloads of one connection that are one payload sent twice (T62: a replay that sends the first
        /// missed event again and again): the same `id:`, the same records with the same `EventId`s. `None` where that
        /// would prove nothing.
        name: Option<u64>,
    },
    /// The BMC says that it dropped events (Base `EventBufferExceeded`, T55): read the logs.
    BufferExceeded,
    /// Something without any event of hardware: a `MetricReport`, a heartbeat, a test event.
    Skipped {
        /// What it held.
        noise: Noise,
    },
}

/// What the service tells about itself and about its readers (T72).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noise {
    /// Records: heartbeats, test events, announcements of log entries and sessions.
    pub records: u32,
    /// One of them says that a log has a new entry, which is told by the log only.
    pub entry_added: bool,
}

/// The comments that came on a stream.
#[derive(Debug, Clone, Copy)]
enum Comments {
    None,
    /// The first came then, and others at most with it.
    Since(Instant),
    Again,
}

/// An open stream. [`next`](Self::next) is cancel safe.
pub struct EventStream {
    body: Body,
    guard: Guard,
    /// What has come and is not yet taken apart.
    chunk: Bytes,
    last_byte_at: Instant,
    comments: Comments,
    bytes: u64,
    last_event_id: Option<Box<str>>,
    /// The payload before also said that events were dropped.
    buffer_exceeded: bool,
    ended: bool,
}

impl EventStream {
    /// Reads a stream from the body of a successful response.
    pub fn new(body: Body, now: Instant) -> Self {
        Self {
            body,
            guard: Guard::default(),
            chunk: Bytes::new(),
            last_byte_at: now,
            comments: Comments::None,
            bytes: 0,
            last_event_id: None,
            buffer_exceeded: false,
            ended: false,
        }
    }

    /// The next item. Comments and other bytes move [`last_byte_at`](Self::last_byte_at) only. It waits without end on
    /// a silent stream. After an error the stream has ended.
    pub async fn next(&mut self) -> Result<StreamItem, StreamError> {
        loop {
            if mem::take(&mut self.buffer_exceeded) {
                return Ok(StreamItem::BufferExceeded);
            }
            if let Some(item) = self.next_at_hand()? {
                return Ok(item);
            }
            if self.ended {
                return Err(StreamError::Ended);
            }
            self.note_comments();
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.last_byte_at = Instant::now();
                        self.bytes += data.len() as u64;
                        self.chunk = data;
                    }
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Err(StreamError::Transport(error));
                }
                None => self.ended = true,
            }
        }
    }

    /// When the newest byte came (the opening, before the first).
    pub fn last_byte_at(&self) -> Instant {
        self.last_byte_at
    }

    /// Whether this BMC sends keep-alive comments, so that silence means death: at least two came, apart.
    pub fn sends_keep_alives(&self) -> bool {
        matches!(self.comments, Comments::Again)
    }

    /// Notes whether comments were among the bytes that came last.
    fn note_comments(&mut self) {
        if !self.guard.take_comments() {
            return;
        }
        self.comments = match self.comments {
            Comments::None => Comments::Since(self.last_byte_at),
            Comments::Since(first) if self.last_byte_at - first < KEEP_ALIVES_APART => Comments::Since(first),
            Comments::Since(_) | Comments::Again => Comments::Again,
        };
    }

    /// Bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Blocks in which bad UTF-8 was replaced.
    pub fn replaced(&self) -> u64 {
        self.guard.replaced()
    }

    /// The newest `id:`, for `Last-Event-ID` within one stream run. The `0` of heartbeats (T72), an id with control
    /// characters and one that is very long are passed over; an empty one means that there is none.
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// The next item in the bytes that have come.
    fn next_at_hand(&mut self) -> Result<Option<StreamItem>, StreamError> {
        loop {
            match self.guard.next_block(&mut self.chunk) {
                Ok(Some(block)) => {
                    if let Some(item) = self.read(&block) {
                        return Ok(Some(item));
                    }
                }
                Ok(None) => return Ok(None),
                Err(sse::TooLarge) => {
                    self.ended = true;
                    self.chunk = Bytes::new();
                    return Err(StreamError::TooLarge { limit: EVENT_BYTES_MAX });
                }
            }
        }
    }

    /// Reads one block; `None` when it carries no data.
    fn read(&mut self, block: &str) -> Option<StreamItem> {
        let Fields { data, id } = Fields::of(block);
        let id = id.filter(|id| is_offerable(id));
        if let Some(id) = id
            && self.last_event_id() != Some(id)
        {
            self.last_event_id = (!id.is_empty()).then(|| id.into());
        }
        if data.trim().is_empty() {
            return None;
        }
        let mut found = Found::default();
        found.payload(&data);
        let noise = found.noise;
        if found.events.is_empty() && found.rejected == 0 {
            if noise.records == 0 && found.buffer_exceeded {
                return Some(StreamItem::BufferExceeded);
            }
            self.buffer_exceeded = found.buffer_exceeded;
            return Some(StreamItem::Skipped { noise });
        }
        self.buffer_exceeded = found.buffer_exceeded;
        let name = found.name(id);
        Some(StreamItem::Events { events: found.events, rejected: found.rejected, noise, name })
    }
}

/// Whether an id may be sent back in a header and names an event.
fn is_offerable(id: &str) -> bool {
    id.len() <= EVENT_ID_BYTES_MAX && id != "0" && !id.contains(char::is_control)
}

/// What one payload holds.
#[derive(Default)]
struct Found {
    events: Vec<Event>,
    rejected: u32,
    noise: Noise,
    buffer_exceeded: bool,
    /// It is a record without the Event around it: nothing but a replay looks so (T56).
    bare: bool,
}

/// A payload, told apart by its type and by what it holds, never by the `event:` field.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, rename = "@odata.type")]
    odata_type: Text<'a>,
    #[serde(borrow, rename = "Events")]
    events: Option<&'a RawValue>,
    /// Another name for the same on some.
    #[serde(borrow, rename = "Alerts")]
    alerts: Option<&'a RawValue>,
}

impl Found {
    fn payload(&mut self, data: &str) {
        if is_metric_report(data) {
            return;
        }
        if self.try_payload(data).is_ok() {
            return;
        }
        // Some write raw line ends and other control characters into strings; between values they mean nothing.
        let clean: String = data.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.try_payload(&clean).is_err() {
            self.rejected += 1;
        }
    }

    /// An error leaves everything as it was.
    fn try_payload(&mut self, data: &str) -> serde_json::Result<()> {
        let Object(payload) = serde_json::from_str::<Object<Payload<'_>>>(data)?;
        if payload.odata_type.get().is_some_and(|name| name.starts_with("#MetricReport.")) {
            return Ok(());
        }
        // Without a list it is a bare record or Message (T55, T56), or a list of them.
        let records = if let Some(records) = payload.events.or(payload.alerts) {
            records
        } else {
            self.bare = true;
            serde_json::from_str(data)?
        };
        if records.get().starts_with('[') {
            let records = serde_json::from_str::<Vec<&RawValue>>(records.get())?;
            // What is beyond is counted; what of it stands in a log is read there.
            self.rejected += u32::try_from(records.len().saturating_sub(RECORDS_MAX)).unwrap_or(u32::MAX);
            records.into_iter().take(RECORDS_MAX).for_each(|record| self.record(record));
        } else {
            // One object where the list should be (Foxconn, T48), or the bare one.
            self.record(records);
        }
        Ok(())
    }

    fn record(&mut self, raw: &RawValue) {
        match event::decode(raw) {
            Ok(Decoded::Event(event)) => self.events.push(event),
            Ok(Decoded::BufferExceeded) => self.buffer_exceeded = true,
            Ok(Decoded::OwnNoise) => self.noise.records += 1,
            Ok(Decoded::EntryAdded) => {
                self.noise.records += 1;
                self.noise.entry_added = true;
            }
            Err(_) => self.rejected += 1,
        }
    }

    /// What payloads that are the same one have alike. A bare record is a replay whatever its `id:`, which old bmcweb
    /// counts on with each copy. Without a time or an `EventId` nothing is proved: BMCs that leave them out also give
    /// every payload the same `id:`, and a real event would be swallowed.
    fn name(&self, id: Option<&str>) -> Option<u64> {
        let certain = |event: &Event| event.identity.dating.is_dated() && event.facts.event_id.is_some();
        if (id.is_none() && !self.bare) || !self.events.iter().all(certain) {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        id.filter(|_| !self.bare).hash(&mut hasher);
        for event in &self.events {
            (event.identity.digest, &event.facts.event_id).hash(&mut hasher);
        }
        Some(hasher.finish())
    }
}

/// Whether the payload says early on that it is a `MetricReport` (T64), which may be large and is not parsed then.
/// It is sure only while nothing is nested before the type; everything else is told apart by parsing.
fn is_metric_report(data: &str) -> bool {
    let head = &data.as_bytes()[..data.len().min(TYPE_WITHIN_BYTES)];
    let Some(key) = memmem::find(head, b"\"@odata.type\"") else { return false };
    let (before, after) = (&head[..key], &head[key + b"\"@odata.type\"".len()..]);
    let Some(before) = before.trim_ascii_start().strip_prefix(b"{") else { return false };
    let Some(value) = after.trim_ascii_start().strip_prefix(b":") else { return false };
    memchr::memchr2(b'{', b'[', before).is_none() && value.trim_ascii_start().starts_with(b"\"#MetricReport.")
}
