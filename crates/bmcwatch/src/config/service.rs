//! The small tables: `[journal]`, `[metrics]` and `[log]`.

use std::{path::PathBuf, time::Duration};

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
