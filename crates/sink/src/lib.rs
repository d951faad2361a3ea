//! Carrying journal records out: a pump per sink, and the sinks themselves. Each sink reads the journal at its own pace,
//! remembers its position there, and moves it only after its peer's word.
//!
//! Every record reaches every sink at least once, in the order of the journal. Not here: what a record means (`model`),
//! how long records are kept (`journal`), the config file's syntax and the metrics page (the program).

mod backoff;
mod chain;
mod file;
mod filter;
mod http;
mod lag;
mod metrics;
mod nats;
mod otlp;
mod peer;
mod pump;
mod selection;
mod sink;
mod status;
mod stdout;
mod syslog;
mod table;
mod triage;
mod wording;

pub use file::{FileConfig, FileError, Packing, Sync};
pub use filter::Filter;
pub use http::{HttpConfig, HttpFormat};
pub use metrics::Metrics;
pub use nats::{Cause, LoginError, NatsConfig, NatsError, NatsLogin, Subject, SubjectError};
pub use otlp::{OtlpConfig, OtlpMapping, SeverityNumbers};
pub use peer::{Compression, Meaning, PeerAccess, PeerConfig, PeerError};
pub use pump::{DRAIN_DEADLINE, Dependencies, Pump, Settings};
pub use selection::Selection;
pub use sink::{SinkConfig, SinkError};
pub use status::{Attempts, SinkStatus, SinkView};
pub use stdout::{StdoutConfig, StdoutError, StdoutForm};
pub use syslog::{
    Facility, HostPort, LIMIT_MIN as SYSLOG_LIMIT_MIN, SyslogConfig, SyslogError, SyslogForm, SyslogTransport,
};
pub use table::{Colour, Table};
