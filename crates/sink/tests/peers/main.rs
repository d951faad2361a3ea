//! Sinks whose peer is at the other end of a real socket: what they send, and what they make of every kind of answer and of
//! none. Real time, loopback only; nothing is asserted about how long anything takes.
//!
//! Not here: what is decided without a socket (unit tests).

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod answers;
mod broker;
mod bulk;
mod formats;
mod nats;
mod operator;
mod otlp;
mod otlp_python;
mod outages;
mod poison;
mod receiver;
mod server;
mod story;
mod syslog;
mod tls;
