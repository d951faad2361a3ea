//! One open event stream of a BMC: a bounded queue of bytes on the BMC's side and the body that a client
//! reads on the other. No task and no timer belong to a stream unless it sends keep-alive comments.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tokio::time::{Instant, Sleep};

use crate::bmc::Bmc;

/// Why a body broke off.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// More than this unread and the stream is closed (bmcweb, `server_sent_event_impl.hpp`).
const QUEUE_BYTES_MAX: usize = 10 << 20;

/// The bytes of Lenovo's keep-alive.
const KEEP_ALIVE: &[u8] = b": stream keep-alive\n\n";

/// How a stream comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// An orderly end of the body.
    Orderly,
    /// The connection breaks.
    Broken,
}

/// The BMC's side of one stream.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    frames: VecDeque<Bytes>,
    bytes: usize,
    end: Option<End>,
    lost: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues bytes; a reader too far behind loses its stream.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut inner = self.lock();
        if inner.lost || inner.end.is_some() {
            return;
        }
        inner.bytes += frame.len();
        if inner.bytes > QUEUE_BYTES_MAX {
            inner.end = Some(End::Broken);
        } else {
            inner.frames.push_back(frame);
        }
        inner.wake();
    }

    /// Ends the stream; what is queued before an orderly end is still delivered.
    pub(crate) fn end(&self, end: End) {
        let mut inner = self.lock();
        if end == End::Broken {
            inner.frames.clear();
        }
        inner.end.get_or_insert(end);
        inner.wake();
    }

    /// The path to the client is gone: nothing is delivered any more, not even an end.
    pub(crate) fn lose(&self) {
        let mut inner = self.lock();
        inner.lost = true;
        inner.frames.clear();
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The client's side of one stream. Dropping it is the client going away.
pub(crate) struct EventStream {
    queue: Arc<Queue>,
    bmc: Weak<Bmc>,
    keep_alive: Option<KeepAlive>,
}

struct KeepAlive {
    every: Duration,
    next: Pin<Box<Sleep>>,
}

impl EventStream {
    pub(crate) fn new(queue: Arc<Queue>, bmc: Weak<Bmc>, keep_alive: Option<Duration>) -> Self {
        let keep_alive =
            keep_alive.map(|every| KeepAlive { every, next: Box::pin(tokio::time::sleep(every)) });
        Self { queue, bmc, keep_alive }
    }
}

impl http_body::Body for EventStream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let lost = {
            let mut inner = self.queue.lock();
            if let Some(frame) = inner.frames.pop_front() {
                inner.bytes -= frame.len();
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            match inner.end {
                Some(_) if inner.lost => {}
                Some(End::Orderly) => return Poll::Ready(None),
                Some(End::Broken) => {
                    inner.end = Some(End::Orderly);
                    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "stream broke off");
                    return Poll::Ready(Some(Err(broken.into())));
                }
                None => {}
            }
            inner.waker = Some(context.waker().clone());
            inner.lost
        };
        if let Some(keep_alive) = self.keep_alive.as_mut().filter(|_| !lost)
            && keep_alive.next.as_mut().poll(context).is_ready()
        {
            keep_alive.next.as_mut().reset(Instant::now() + keep_alive.every);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(KEEP_ALIVE)))));
        }
        Poll::Pending
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if let Some(bmc) = self.bmc.upgrade() {
            bmc.stream_closed(&self.queue);
        }
    }
}

/// A body that is all there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that breaks off after these bytes (T36).
pub(crate) fn cut(bytes: Bytes) -> Body {
    Cut { bytes: Some(bytes), broken: false }.boxed_unsync()
}

struct Cut {
    bytes: Option<Bytes>,
    broken: bool,
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if std::mem::replace(&mut self.broken, true) {
            return Poll::Ready(None);
        }
        let broken = io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off");
        Poll::Ready(Some(Err(broken.into())))
    }
}
