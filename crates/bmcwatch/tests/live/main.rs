//! The real program as a child process, on real sockets with TLS, against simulated BMCs in this process, in real time.
//!
//! One binary, so that the stories run side by side: most of their time is waiting. What can be told in virtual time is
//! told elsewhere; here is what only a process can show: kills, signals, exit codes, files, certificates, standard error.

mod admin;
mod browser;
mod commands;
mod daemon;
mod faults;
mod home;
#[path = "../simulation/judge.rs"]
mod judge;
mod kill;
mod lab;
mod ledger;
mod lifecycle;
mod notify;
mod outside;
mod page;
mod probe;
mod proxy;
mod readers;
mod reading;
mod recordings;
mod refuse;
mod rotation;
#[expect(dead_code, reason = "`soak hour` uses the rest")]
mod scene;
mod secrets;
mod sinks;
mod sources;
mod starting;
#[path = "../stories/token.rs"]
mod token;
#[path = "../simulation/trouble.rs"]
#[expect(dead_code, reason = "the simulation uses the rest")]
mod trouble;
