//! What a power cut leaves of the journal's two files, made from how they were before and after one piece of work.
//!
//! The order in which SQLite writes and syncs is what decides: a commit goes to the write-ahead log and is synced there
//! before it is acknowledged; a log that begins anew syncs its header before its frames; a checkpoint writes pages that
//! the log holds until they are synced. Within one such step anything may have reached the disk or not, in any order.

use std::{fs, ops::Range, path::Path};

use rand::{Rng, RngCore, rngs::SmallRng, seq::IndexedRandom};

/// What a disk writes at once.
const SECTOR: usize = 512;
/// The header of a write-ahead log, and what precedes each page in it.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 4096;

/// The files at one moment. The shared-memory file is no part of it: it does not outlive the machine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

/// Which state the files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Before,
    After,
}

/// Files after a power cut.
pub(crate) struct Cut {
    pub(crate) files: Files,
    pub(crate) holds: Holds,
    /// What kind of cut it is, to be counted.
    pub(crate) kind: &'static str,
}

impl Files {
    pub(crate) fn of(directory: &Path) -> Self {
        let read = |name| fs::read(directory.join(name)).unwrap_or_default();
        Self { database: read("journal.db"), log: read("journal.db-wal") }
    }

    pub(crate) fn write(&self, directory: &Path) {
        fs::write(directory.join("journal.db"), &self.database).unwrap();
        fs::write(directory.join("journal.db-wal"), &self.log).unwrap();
    }
}

/// Cut while a commit is written, or right after it was synced.
pub(crate) fn in_commit(before: &Files, after: &Files, chance: &mut SmallRng) -> Cut {
    assert!(before.database == after.database, "a small commit touches only the log");
    let (old, new) = (&before.log, &after.log);
    let written = written(old, new);
    let end = written.end;
    let mut log = old.clone();
    let kind = if written.start == 0 && chance.random_ratio(1, 8) {
        log.resize(log.len().max(LOG_HEADER), 0);
        scatter(&mut log, new, 0..LOG_HEADER, 8, chance);
        "header"
    } else {
        // The header was synced before the first frame.
        let start = written.start.max(LOG_HEADER);
        log.resize(log.len().max(start), 0);
        log[..start].copy_from_slice(&new[..start]);
        match chance.random_range(0..5) {
            0 | 1 => {
                let reached = chance.random_range(start..=end);
                overwrite(&mut log, start, &new[start..reached]);
                "truncated"
            }
            2 => {
                log.resize(log.len().max(end), 0);
                scatter(&mut log, new, start..end, SECTOR, chance);
                "scattered"
            }
            3 => {
                overwrite(&mut log, start, &new[start..end]);
                let bit = chance.random_range(start * 8..end * 8);
                log[bit / 8] ^= 1 << (bit % 8);
                "flipped"
            }
            _ => {
                overwrite(&mut log, start, &new[start..end]);
                garbage_behind(&mut log, end, chance);
                "garbage"
            }
        }
    };
    let whole = log.get(..end) == Some(&new[..end]);
    let files = Files { database: before.database.clone(), log };
    Cut { files, holds: if whole { Holds::After } else { Holds::Before }, kind }
}

/// Cut while pages are copied from the log into the database.
pub(crate) fn in_checkpoint(before: &Files, after: &Files, chance: &mut SmallRng) -> Cut {
    assert!(before.log == after.log, "a checkpoint leaves the log as it is");
    let files = Files { database: half_copied(before, after, chance), log: before.log.clone() };
    Cut { files, holds: Holds::After, kind: "checkpoint" }
}

/// Cut while the journal is closed: a checkpoint, after which the log is emptied.
pub(crate) fn in_closing(before: &Files, after: &Files, chance: &mut SmallRng) -> Cut {
    assert!(after.log.is_empty(), "closing empties the log");
    let files = match chance.random_range(0..3) {
        0 => after.clone(),
        1 => Files { database: after.database.clone(), log: before.log.clone() },
        _ => Files { database: half_copied(before, after, chance), log: before.log.clone() },
    };
    Cut { files, holds: Holds::After, kind: "closing" }
}

/// The bytes of the log that a commit wrote: whole frames, with the header where the log began anew.
fn written(old: &[u8], new: &[u8]) -> Range<usize> {
    // By frames first: comparing megabytes byte by byte would take longer than all the rest.
    let differs = |start: usize| {
        let end = (start + FRAME_HEADER + PAGE).min(new.len());
        old.get(start..end) != Some(&new[start..end])
    };
    let anew = old.get(..LOG_HEADER) != Some(&new[..LOG_HEADER]);
    let frames = (LOG_HEADER..new.len()).step_by(FRAME_HEADER + PAGE);
    let changed: Vec<usize> = frames.filter(|start| differs(*start)).collect();
    let (first, last) = changed.first().zip(changed.last()).expect("a commit writes frames");
    let start = if anew { 0 } else { *first };
    start..last + FRAME_HEADER + PAGE
}

fn half_copied(before: &Files, after: &Files, chance: &mut SmallRng) -> Vec<u8> {
    let (old, new) = (&before.database, &after.database);
    let mut database = old.clone();
    if chance.random() {
        database.resize(new.len().max(old.len()), 0);
    }
    let changed = (SECTOR..database.len().min(new.len())).step_by(SECTOR);
    for start in changed {
        let sector = start..(start + SECTOR).min(database.len()).min(new.len());
        if old.get(sector.clone()) != new.get(sector.clone()) {
            scatter(&mut database, new, sector, SECTOR, chance);
        }
    }
    // SQLite relies on the first sector to be written whole or not at all.
    if chance.random() {
        database[..SECTOR].copy_from_slice(&new[..SECTOR]);
    }
    database
}

/// Of a range, each piece is as it was, as it was to be, or neither.
fn scatter(bytes: &mut [u8], new: &[u8], range: Range<usize>, piece: usize, chance: &mut SmallRng) {
    // Mostly written with a few holes, or mostly not: else hardly any long write would be nearly whole.
    let written = *[0.05, 0.5, 0.95].choose(chance).expect("there are three");
    for start in range.clone().step_by(piece) {
        let piece = start..(start + piece).min(range.end);
        if chance.random_bool(written) {
            bytes[piece.clone()].copy_from_slice(&new[piece]);
        } else if chance.random_ratio(1, 4) {
            chance.fill_bytes(&mut bytes[piece]);
        }
    }
}

/// Behind the last frame: noise, zeros, or frames of this very log once more.
fn garbage_behind(log: &mut Vec<u8>, end: usize, chance: &mut SmallRng) {
    let mut garbage = vec![0; chance.random_range(1..3 * (FRAME_HEADER + PAGE))];
    match chance.random_range(0..3) {
        0 => chance.fill_bytes(&mut garbage),
        1 => {
            let frames = &log[LOG_HEADER..end];
            let again = frames.len().min(garbage.len());
            garbage[..again].copy_from_slice(&frames[..again]);
        }
        _ => {}
    }
    overwrite(log, end, &garbage);
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, with: &[u8]) {
    bytes.resize(bytes.len().max(at + with.len()), 0);
    bytes[at..at + with.len()].copy_from_slice(with);
}
