//! The admin server on real sockets: what it answers, whom it refuses, and how it outlasts clients that mean no good.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod guard;
mod pages;
mod patience;
mod records;
mod story;
mod tail;
mod tls;
