//! A fleet of simulated BMCs with a lever board: vendors' habits, faults, scripts. A library, and what
//! `bmcwatch demo` and `bmcwatch simulate` serve. It shares no code with what it tests, so that it cannot
//! share a misunderstanding.
//!
//! [`Bmc`] answers in process through [`Bmc::handle`], also under paused tokio time; [`Fleet`] puts many of
//! them on loopback addresses behind real TLS. What a BMC is like is plain data ([`Profile`]); what happens
//! to it is a lever on [`Bmc`] or a [`Script`]; what it ever logged is [`Bmc::truth`]. All time is tokio's
//! and all chance is seeded: the same seed and the same levers give the same bytes.

mod answer;
mod bmc;
mod demo;
mod entry;
mod event;
mod fleet;
mod gate;
mod habit;
mod levers;
mod listener;
mod log;
mod log_levers;
mod profile;
mod push_levers;
mod recording;
mod registry;
mod resource;
mod script;
mod session;
mod stream;
mod tls;
mod truth;
mod vendor;

pub use bmc::{Bmc, BmcConfig, Refused};
pub use demo::{DemoBmc, demo_fleet, flavoured_fleet};
pub use fleet::{Addresses, Fleet, FleetConfig, Serve, Transport};
pub use gate::Reachability;
pub use habit::{
    Burst, ClockAtStart, Count, EntriesAt, EntryShape, Keys, LoginLine, PastEnd, SeverityStyle, Skip, Slots,
    WhenFull,
};
pub use levers::StreamBehaviour;
pub use log_levers::LogFault;
pub use profile::{
    Accept, EventServiceState, Framing, IdStyle, LogProfile, Login, Members, Oem, Order, Overflow, Parent,
    Profile, Push, RecordShape, Resume, StreamTime, TimeStyle, UnknownQuery, WhenDisabled,
};
pub use push_levers::{Happening, ResendIds};
pub use recording::Recording;
pub use registry::MessageRegistry;
pub use script::Script;
pub use stream::{Body, BoxError};
pub use truth::{Counts, Logged, PathClass, Severity};
pub use vendor::Flavour;
