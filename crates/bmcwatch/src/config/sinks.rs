//! `[[sinks]]`: where records go.

mod file;
mod http;
pub(super) mod login;
mod nats;
mod opening;
mod otlp;
pub(super) mod peer;
mod selection;
mod syslog;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use sink::Selection;

use super::{
    key,
    problem::Refusal,
    reader::{Reader, Table},
};

pub use file::FileSinkConfig;
pub(crate) use file::{PACKINGS, SYNCS};
pub(crate) use http::FORMATS;
pub use http::HttpSinkConfig;
pub use login::LoginFile;
pub use nats::NatsSinkConfig;
pub use opening::{OpeningRead, Unusable};
pub use otlp::OtlpSinkConfig;
pub(crate) use peer::{COMPRESSIONS, is_secret};
pub use peer::{Opening, PeerConfig};
pub use syslog::{SyslogAddress, SyslogSinkConfig};

/// Longest name; it is a metric label and a file name.
const NAME_BYTES_MAX: usize = 100;

/// One sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// Its name, under which the journal keeps its position.
    pub name: String,
    /// Which records it gets.
    pub selection: Selection,
    /// What it does with records.
    pub kind: SinkKind,
}

/// What a sink does with records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkKind {
    /// Writes lines to standard output.
    Stdout,
    /// Writes lines to a file, rotated.
    File(FileSinkConfig),
    /// Posts to a log store.
    Http(HttpSinkConfig),
    /// Posts OpenTelemetry log records.
    Otlp(OtlpSinkConfig),
    /// Writes RFC 5424 lines to a syslog receiver.
    Syslog(SyslogSinkConfig),
    /// Publishes to a JetStream stream.
    Nats(NatsSinkConfig),
}

impl SinkKind {
    /// The word in config.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stdout => Type::Stdout.as_str(),
            Self::File(_) => Type::File.as_str(),
            Self::Http(_) => Type::Http.as_str(),
            Self::Otlp(_) => Type::Otlp.as_str(),
            Self::Syslog(_) => Type::Syslog.as_str(),
            Self::Nats(_) => Type::Nats.as_str(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Stdout,
    File,
    Http,
    Otlp,
    Syslog,
    Nats,
}

impl Type {
    const ALL: [Self; 6] = [Self::Stdout, Self::File, Self::Http, Self::Otlp, Self::Syslog, Self::Nats];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File => "file",
            Self::Http => "http",
            Self::Otlp => "otlp",
            Self::Syslog => "syslog",
            Self::Nats => "nats",
        }
    }

    /// The keys that it has beside those of all types.
    fn keys(self) -> Vec<&'static str> {
        match self {
            Self::Stdout => Vec::new(),
            Self::File => file::KEYS.to_vec(),
            Self::Http => [&peer::KEYS[..], &http::KEYS].concat(),
            Self::Otlp => [&peer::KEYS[..], &otlp::KEYS].concat(),
            Self::Syslog => syslog::KEYS.to_vec(),
            Self::Nats => nats::KEYS.to_vec(),
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> Vec<SinkConfig> {
    let tables = top.tables(reader, "sinks", &key::SINK);
    let mut sinks = Vec::new();
    let mut names = BTreeSet::new();
    let mut outputs = BTreeMap::new();
    for table in tables {
        let Some(sink) = sink(reader, &table) else { continue };
        if !names.insert(sink.name.clone()) {
            let refusal = Refusal::new(format!("another sink is named {:?} already", sink.name));
            table.problem(
                reader,
                "name",
                refusal.hint("the name keeps the sink's place in the journal: give each its own"),
            );
        }
        check_output(reader, &table, &sink, &mut outputs);
        sinks.push(sink);
    }
    if sinks.is_empty() {
        let (name, selection) = ("stdout".to_owned(), Selection::default());
        sinks.push(SinkConfig { name, selection, kind: SinkKind::Stdout });
    }
    sinks
}

/// Where only one may write, and which key says so.
fn check_output(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    sink: &SinkConfig,
    outputs: &mut BTreeMap<Option<PathBuf>, String>,
) {
    let (output, key) = match &sink.kind {
        SinkKind::Stdout => (None, "type"),
        SinkKind::File(file) => (Some(file.path.clone()), "path"),
        // Each request, line and message is whole; two sinks at one address are the operator's choice.
        SinkKind::Http(_) | SinkKind::Otlp(_) | SinkKind::Syslog(_) | SinkKind::Nats(_) => return,
    };
    if let Some(other) = outputs.get(&output) {
        let refusal = Refusal::new(format!("the sink {other:?} writes there already"));
        table.problem(reader, key, refusal.hint("their lines would mix; one of the two is enough"));
    } else {
        outputs.insert(output, sink.name.clone());
    }
}

fn sink(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<SinkConfig> {
    if !table.has("type") {
        let types = Type::ALL.map(|kind| format!("type = {:?}", kind.as_str())).join(" or ");
        let refusal = Refusal::new("a sink without a type").hint(format!("add {types}"));
        table.table_problem(reader, refusal);
    }
    let name = table.read(reader, "name", name);
    let selection = selection::read(reader, table);
    let kind = table.word(reader, "type", &Type::ALL.map(|kind| (kind.as_str(), kind)))?;
    refuse_keys_of_others(reader, table, kind);
    let kind = match kind {
        Type::Stdout => SinkKind::Stdout,
        Type::File => SinkKind::File(file::read(reader, table)?),
        Type::Http => SinkKind::Http(http::read(reader, table)?),
        Type::Otlp => SinkKind::Otlp(otlp::read(reader, table)?),
        Type::Syslog => SinkKind::Syslog(syslog::read(reader, table)?),
        Type::Nats => SinkKind::Nats(nats::read(reader, table)?),
    };
    Some(SinkConfig { name: name.unwrap_or_else(|| kind.as_str().to_owned()), selection, kind })
}

fn refuse_keys_of_others(reader: &mut Reader<'_>, table: &Table<'_>, kind: Type) {
    let mut refused = BTreeSet::new();
    for key in Type::ALL.into_iter().flat_map(Type::keys) {
        if !table.has(key) || kind.keys().contains(&key) || !refused.insert(key) {
            continue;
        }
        let owners = Type::ALL.into_iter().filter(|other| other.keys().contains(&key));
        let owners: Vec<String> = owners.map(|owner| format!("{:?}", owner.as_str())).collect();
        let refusal = Refusal::new(format!("only a sink of type {} has this key", owners.join(" or ")));
        table.problem(reader, key, refusal.hint(format!("write type = {}, or take the key out", owners[0])));
    }
}

fn name(text: &str) -> Result<String, Refusal> {
    let well_formed = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if well_formed && (1..=NAME_BYTES_MAX).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(format!("{text:?} is not a name for a sink"))
        .hint(format!("1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.'")))
}
