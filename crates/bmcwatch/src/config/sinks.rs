//! `[[sinks]]`: where records go.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    key, path,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
};

/// Default of `max_size` of a file sink: 100 MiB.
const FILE_SIZE: u64 = 100 << 20;
/// Default of `max_files` of a file sink.
const FILES: u32 = 10;
/// More files than this in one rotation would be a directory nobody can list.
const FILES_MAX: u32 = 10_000;
/// Longest name; it is a metric label and a file name.
const NAME_BYTES_MAX: usize = 100;

/// One sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkConfig {
    /// Its name, under which the journal keeps its position.
    pub name: String,
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
}

/// A file, rotated by size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSinkConfig {
    /// The file that is written.
    pub path: PathBuf,
    /// Largest size in bytes before it is renamed.
    pub max_size: u64,
    /// How many older files are kept.
    pub max_files: u32,
}

impl SinkKind {
    /// The word in config.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::File(_) => "file",
        }
    }
}

#[derive(Clone, Copy)]
enum Type {
    Stdout,
    File,
}

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> Vec<SinkConfig> {
    let tables = top.tables(reader, "sinks", &key::SINK);
    let mut sinks = Vec::new();
    let mut names = BTreeSet::new();
    let mut outputs: BTreeMap<Option<PathBuf>, String> = BTreeMap::new();
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
        let output = match &sink.kind {
            SinkKind::Stdout => None,
            SinkKind::File(file) => Some(file.path.clone()),
        };
        if let Some(other) = outputs.get(&output) {
            let text = format!("the sink {other:?} writes there already");
            let at = if output.is_some() { "path" } else { "type" };
            table.problem(
                reader,
                at,
                Refusal::new(text).hint("their lines would mix; one of the two is enough"),
            );
        } else {
            outputs.insert(output, sink.name.clone());
        }
        sinks.push(sink);
    }
    if sinks.is_empty() {
        sinks.push(SinkConfig { name: "stdout".to_owned(), kind: SinkKind::Stdout });
    }
    sinks
}

fn sink(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<SinkConfig> {
    if !table.has("type") {
        table.table_problem(
            reader,
            Refusal::new("a sink without a type").hint("add type = \"stdout\" or type = \"file\""),
        );
    }
    let name = table.read(reader, "name", name);
    let kind = match table.word(reader, "type", &[("stdout", Type::Stdout), ("file", Type::File)])? {
        Type::Stdout => {
            for key in ["path", "max_size", "max_files"].into_iter().filter(|key| table.has(key)) {
                let refusal = Refusal::new("only a sink of type \"file\" has this key");
                table.problem(reader, key, refusal.hint("write type = \"file\", or take the key out"));
            }
            SinkKind::Stdout
        }
        Type::File => SinkKind::File(file(reader, table)?),
    };
    Some(SinkConfig { name: name.unwrap_or_else(|| kind.as_str().to_owned()), kind })
}

fn file(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<FileSinkConfig> {
    if !table.has("path") {
        let refusal = Refusal::new("a sink of type \"file\" needs a path");
        table.table_problem(reader, refusal.hint("add path = \"/var/log/bmcwatch/records.jsonl\""));
    }
    let path = table.read(reader, "path", path);
    let max_size = table.read(reader, "max_size", quantity::size).unwrap_or(FILE_SIZE);
    let max_files = table.count(reader, "max_files", 1..=FILES_MAX).unwrap_or(FILES);
    Some(FileSinkConfig { path: path?, max_size, max_files })
}

fn name(text: &str) -> Result<String, Refusal> {
    let well_formed = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if well_formed && (1..=NAME_BYTES_MAX).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(format!("{text:?} is not a name for a sink"))
        .hint(format!("1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.'")))
}
