//! Collecting: sources of endpoints, the discovery loop, one slot per endpoint with a stream or a periodic collector in
//! it, the downgrade registry between the two, and ingest, the one way into the journal.
//!
//! It does not know what Redfish JSON looks like (crate `redfish`) nor where records go (crate `sink`).

mod announce;
mod backoff;
mod board;
mod catch_up;
mod collector;
mod continuity;
mod discovery;
mod downgrade;
mod failure_window;
mod follow;
mod ingest;
mod jitter;
mod metrics;
mod pace;
mod periodic;
mod plan;
mod recover;
mod settings;
mod share;
mod slot;
mod status;
mod stream;

pub use board::{Board, EndpointView, State};
pub use discovery::{Dependencies, Discovery, Reload};
pub use metrics::Metrics;
pub use settings::{
    AutoSettings, DISCOVERY_INTERVAL, Desired, EndpointSpec, History, LogSettings, Mode, PeriodicSettings,
    RetrySse, SseSettings,
};
pub use share::Share;
