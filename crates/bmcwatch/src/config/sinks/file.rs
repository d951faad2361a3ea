//! `type = "file"`: a file of lines, rotated.

use std::path::PathBuf;

use crate::config::{
    path,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
};

/// Default of `max_size`: 100 MiB.
const SIZE: u64 = 100 << 20;
/// Default of `max_files`.
const FILES: u32 = 10;
/// More files than this in one rotation would be a directory nobody can list.
const FILES_MAX: u32 = 10_000;

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

pub(super) const KEYS: [&str; 3] = ["path", "max_size", "max_files"];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<FileSinkConfig> {
    if !table.has("path") {
        let refusal = Refusal::new("a sink of type \"file\" needs a path");
        table.table_problem(reader, refusal.hint("add path = \"/var/log/bmcwatch/records.jsonl\""));
    }
    let path = table.read(reader, "path", path);
    let max_size = table.read(reader, "max_size", quantity::size).unwrap_or(SIZE);
    let max_files = table.count(reader, "max_files", 1..=FILES_MAX).unwrap_or(FILES);
    Some(FileSinkConfig { path: path?, max_size, max_files })
}
