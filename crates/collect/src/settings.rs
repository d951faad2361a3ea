//! What discovery is told to do: which endpoints, and how their logs are collected. The program's config makes it;
//! every default has its one source here.

use std::{path::PathBuf, sync::Arc, time::Duration};

use model::Endpoint;
use redfish::ClientConfig;

/// The whole wish: made anew at each (re)load.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The endpoints that this process takes (after `only` and `shard`), each id once.
    pub endpoints: Vec<EndpointSpec>,
    /// How their logs are collected.
    pub logs: LogSettings,
    /// Time between discovery passes.
    pub interval: Duration,
}

/// One endpoint to watch.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSpec {
    /// What records say of it.
    pub endpoint: Arc<Endpoint>,
    /// How to reach it.
    pub client: ClientConfig,
    /// Its own mode, where the operator gave one.
    pub log_mode: Option<Mode>,
}

/// What the operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Mode {
    /// Stream, and poll while there is no stream.
    #[default]
    Auto,
    /// Stream only; never downgraded.
    Sse,
    /// Poll only; never streams.
    Periodic,
}

impl Mode {
    /// The word in config and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Sse => "sse",
            Self::Periodic => "periodic",
        }
    }
}

/// What a first contact with a log brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Everything it holds.
    All,
    /// Nothing that is there already.
    None,
    /// What is not older than this.
    Last(Duration),
}

/// `[collectors.logs]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// For endpoints without a mode of their own.
    pub mode: Mode,
    /// What a first contact brings.
    pub initial_history: History,
    /// How often a streaming collector reads the logs.
    pub reconcile_interval: Duration,
    /// Ids of log services that are not read.
    pub exclude_services: Vec<String>,
    /// An entry that was told and has changed in place since (T17) is told again, as a record of the kind `changed`.
    pub report_changes: bool,
    /// The periodic collector.
    pub periodic: PeriodicSettings,
    /// Downgrade and recovery.
    pub auto: AutoSettings,
    /// The stream collector.
    pub sse: SseSettings,
}

/// `[collectors.logs.periodic]`.
#[derive(Debug, Clone, PartialEq)]
pub struct PeriodicSettings {
    /// Time between polls of one endpoint.
    pub logs_collection_interval: Duration,
    /// How often log services and the service root are looked up again.
    pub state_refresh_interval: Duration,
    /// Where infra-controller kept its progress, with `{machine_id}` for the endpoint: read once, as a starting point for
    /// logs without a bookmark.
    pub logs_state_file: Option<PathBuf>,
}

/// `[collectors.logs.auto]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoSettings {
    /// So many `SseNotAvailable` downgrade.
    pub sse_not_available_threshold: u32,
    /// Length of the rolling failure window.
    pub connect_failure_window: Duration,
    /// So many failures within the window downgrade.
    pub connect_failure_threshold: u32,
    /// A stream that lived so long has proved itself.
    pub min_stream_lifetime: Duration,
    /// When a downgraded endpoint is tried again.
    pub retry_sse_after: RetrySse,
    /// The doubling wait ends here.
    pub retry_sse_max: Duration,
}

/// `retry_sse_after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrySse {
    /// First wait; it doubles after each failed try.
    After(Duration),
    /// A downgrade lasts until restart.
    Never,
}

/// `[collectors.logs.sse]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SseSettings {
    /// First wait before reconnecting.
    pub initial_backoff: Duration,
    /// Longest wait before reconnecting.
    pub max_backoff: Duration,
    /// A stream that sends keep-alives and then no byte for so long is dead.
    pub idle_timeout: Duration,
}

const MINUTE: Duration = Duration::from_mins(1);

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            initial_history: History::Last(24 * 60 * MINUTE),
            reconcile_interval: 30 * MINUTE,
            exclude_services: vec!["Journal".to_owned()],
            report_changes: false,
            periodic: PeriodicSettings::default(),
            auto: AutoSettings::default(),
            sse: SseSettings::default(),
        }
    }
}

impl Default for PeriodicSettings {
    fn default() -> Self {
        Self {
            logs_collection_interval: 5 * MINUTE,
            state_refresh_interval: 30 * MINUTE,
            logs_state_file: None,
        }
    }
}

impl Default for AutoSettings {
    fn default() -> Self {
        Self {
            sse_not_available_threshold: 1,
            connect_failure_window: 5 * MINUTE,
            connect_failure_threshold: 5,
            min_stream_lifetime: Duration::from_secs(30),
            retry_sse_after: RetrySse::After(30 * MINUTE),
            retry_sse_max: 24 * 60 * MINUTE,
        }
    }
}

impl Default for SseSettings {
    fn default() -> Self {
        Self {
            initial_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
        }
    }
}

/// Default of `discovery.interval`.
pub const DISCOVERY_INTERVAL: Duration = MINUTE;
