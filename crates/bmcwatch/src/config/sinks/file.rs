//! `type = "file"`: a file of lines, rotated.

use std::{path::PathBuf, time::Duration};

use sink::{Packing, Sync};

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

/// A file, rotated by size and by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSinkConfig {
    /// The file that is written.
    pub path: PathBuf,
    /// Largest size in bytes before it is renamed.
    pub max_size: u64,
    /// How many older files are kept.
    pub max_files: u32,
    /// How far apart the records of one file may lie.
    pub rotate_every: Option<Duration>,
    /// How older files are packed.
    pub compress: Packing,
    /// When lines are on disk.
    pub sync: Sync,
}

/// The words of `compress`.
pub(crate) const PACKINGS: [(&str, Packing); 3] =
    [("none", Packing::None), ("gzip", Packing::Gzip), ("zstd", Packing::Zstd)];
/// The words of `sync`.
pub(crate) const SYNCS: [(&str, Sync); 2] = [("batch", Sync::Batch), ("never", Sync::Never)];

pub(super) const KEYS: [&str; 6] = ["path", "max_size", "max_files", "rotate_every", "compress", "sync"];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<FileSinkConfig> {
    if !table.has("path") {
        let refusal = Refusal::new("a sink of type \"file\" needs a path");
        table.table_problem(reader, refusal.hint("add path = \"/var/log/bmcwatch/records.jsonl\""));
    }
    let path = table.read(reader, "path", path);
    let max_size = table.read(reader, "max_size", quantity::size).unwrap_or(SIZE);
    let max_files = table.count(reader, "max_files", 1..=FILES_MAX).unwrap_or(FILES);
    let rotate_every = table.read(reader, "rotate_every", quantity::duration);
    let compress = table.word(reader, "compress", &PACKINGS).unwrap_or(Packing::None);
    let sync = table.word(reader, "sync", &SYNCS).unwrap_or(Sync::Batch);
    Some(FileSinkConfig { path: path?, max_size, max_files, rotate_every, compress, sync })
}
