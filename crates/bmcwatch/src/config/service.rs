//! The small tables: `[journal]`, `[admin]`, `[metrics]` and `[log]`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    key, path,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
};
use crate::logging;

/// `[journal]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Where the journal lives.
    pub directory: PathBuf,
    /// Older records are deleted.
    pub max_age: Duration,
    /// Bytes after which the oldest records are deleted.
    pub max_size: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/bmcwatch"),
            max_age: Duration::from_hours(14 * 24),
            max_size: 10 << 30,
        }
    }
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where the listener is; a loopback address unless `allow_insecure`.
    pub listen: SocketAddr,
    /// Whether it may be reached from other machines without TLS and login.
    pub allow_insecure: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9632)), allow_insecure: false }
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsConfig {
    /// First word of every metric name.
    pub prefix: String,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { prefix: "bmcwatch".to_owned() }
    }
}

/// How our own log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl LogFormat {
    /// The words in config.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("json", Self::Json), ("text", Self::Text)];
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: a level, or levels per target. Already checked.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: "info".to_owned() }
    }
}

pub(super) fn journal(reader: &mut Reader<'_>, top: &Table<'_>) -> JournalConfig {
    let table = top.table(reader, "journal", &key::JOURNAL);
    let default = JournalConfig::default();
    JournalConfig {
        directory: table.read(reader, "directory", path).unwrap_or(default.directory),
        max_age: table.read(reader, "max_age", quantity::duration).unwrap_or(default.max_age),
        max_size: table.read(reader, "max_size", quantity::size).unwrap_or(default.max_size),
    }
}

pub(super) fn admin(reader: &mut Reader<'_>, top: &Table<'_>) -> AdminConfig {
    let table = top.table(reader, "admin", &key::ADMIN);
    let default = AdminConfig::default();
    let listen = table.read(reader, "listen", listen).unwrap_or(default.listen);
    let allow_insecure = table.flag(reader, "allow_insecure").unwrap_or(default.allow_insecure);
    if !listen.ip().is_loopback() {
        let text = format!(
            "{listen} can be reached from other machines, and the listener has neither TLS nor a login yet"
        );
        if allow_insecure {
            let warning = Refusal::new(text);
            table.warning(reader, "listen", warning.hint("let only Prometheus and probes through to it"));
        } else {
            let local =
                format!("listen on \"127.0.0.1:{}\" and put a proxy with TLS in front of it", listen.port());
            let hint = format!("{local}; or, where the network is closed to others, allow_insecure = true");
            table.problem(reader, "listen", Refusal::new(text).hint(hint));
        }
    }
    AdminConfig { listen, allow_insecure }
}

fn listen(text: &str) -> Result<SocketAddr, Refusal> {
    // "localhost" is what people write; a name that needs a lookup is not.
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        Refusal::new(format!("{text:?} is not an IP address with a port"))
            .hint("write \"127.0.0.1:9632\" or \"[::1]:9632\"")
    })
}

pub(super) fn metrics(reader: &mut Reader<'_>, top: &Table<'_>) -> MetricsConfig {
    let table = top.table(reader, "metrics", &key::METRICS);
    table
        .read(reader, "prefix", prefix)
        .map_or_else(MetricsConfig::default, |prefix| MetricsConfig { prefix })
}

fn prefix(text: &str) -> Result<String, Refusal> {
    let well_formed = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if well_formed {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(format!("{text:?} cannot begin a metric name"))
        .hint("letters, digits and underscores, not beginning with a digit"))
}

pub(super) fn log(reader: &mut Reader<'_>, top: &Table<'_>) -> LogConfig {
    let table = top.table(reader, "log", &key::LOG);
    let format = table.word(reader, "format", &LogFormat::WORDS).unwrap_or_default();
    let configured = table.read(reader, "level", |text| level(text).map(|()| text.to_owned()));
    let overriding = reader.environment.get("RUST_LOG").filter(|text| !text.is_empty());
    let usable = overriding.filter(|text| match level(text) {
        Ok(()) => true,
        Err(refusal) => {
            let text = format!("the environment variable RUST_LOG is ignored: {}", refusal.text);
            table.warning(reader, "level", Refusal { text, hint: refusal.hint });
            false
        }
    });
    LogConfig { format, level: usable.or(configured).unwrap_or(LogConfig::default().level) }
}

fn level(text: &str) -> Result<(), Refusal> {
    logging::parse_level(text).map(|_| ()).map_err(|error| {
        let refusal = Refusal::new(error.to_string());
        refusal.hint("write off, error, warn, info, debug or trace, also per crate: \"info,collect=debug\"")
    })
}
