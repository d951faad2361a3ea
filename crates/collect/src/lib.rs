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
mod doorbell;
mod downgrade;
mod equals;
mod failure_window;
mod file_source;
mod follow;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gap;
mod guard;
mod habits;
mod hardware;
mod held;
mod http_source;
mod ingest;
mod jitter;
mod learned_key;
mod login_memory;
mod metrics;
mod notice;
mod occurrence;
mod pace;
mod periodic;
mod places;
mod plan;
mod pulse;
mod read_log;
mod recover;
mod retry;
mod settings;
mod share;
mod slot;
mod source;
mod status;
mod strain;
mod stream;
mod take_over;
mod target_group;
mod walk;
mod wedge;

pub use board::{Board, EndpointView, Load, State};
pub use discovery::{Dependencies, Discovery, Reload};
pub use file_source::{FileLook, FileNews, FilePattern, FilePatternError, FileSource, Looking};
pub use gap::GapReason;
pub use guard::{Moment, Occasion, Verdict, judge};
pub use http_source::{HttpAccess, HttpSource};
pub use learned_key::TrustKeyError;
pub use metrics::Metrics;
pub use retry::{Retry, RetryError, RetryHandle};
pub use settings::{
    AutoSettings, DISCOVERY_INTERVAL, Desired, EndpointSpec, History, LogSettings, Mode, PeriodicSettings,
    RetrySse, SseSettings,
};
pub use share::Share;
pub use source::{Place, Refresh, SourceSpec, Sources, Wanted};
pub use target_group::{TargetGroup, TargetList, TargetPart};
