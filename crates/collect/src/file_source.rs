//! A source made of files: which there are, what stands in them, and which have changed since the last look.
//!
//! A look is cheap while nothing changes: one `stat` a file. Content decides in the end, for every file is read whole now
//! and then, so a change that leaves no trace in the directory (NFS) is found too; and links are followed anew at each look,
//! which is how Kubernetes and careful operators exchange files. A file that cannot be used keeps the list that it had, and
//! it is told when two looks agree, for it may just be being written. Not here: when to look (`source`).

mod pattern;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use pattern::{FilePattern, FilePatternError};

use crate::target_group::{LIST_BYTES_MAX, TARGETS_MAX, TargetGroup, TargetList, TargetPart, parse};

/// The most files of one source: one for each endpoint of the fleet that one process is made for. Each is looked at every
/// two seconds.
const FILES_MAX: usize = 10_000;

/// How a source is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looking {
    /// Files are read that seem to have changed.
    Quick,
    /// Every file is read.
    Whole,
}

/// The files of one source, and what was read from them.
#[derive(Debug)]
pub struct FileSource {
    patterns: Vec<FilePattern>,
    known: BTreeMap<PathBuf, Known>,
    /// Patterns of which it was told that no file is there.
    missing: BTreeSet<PathBuf>,
    /// Why no list could be made of what is there.
    unusable: Option<String>,
    list: TargetList,
    files_max: usize,
    targets_max: usize,
}

/// What is known of one file.
#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    /// The last good list.
    groups: Option<Arc<[TargetGroup]>>,
    /// Why it cannot be used now.
    failure: Option<String>,
    told: bool,
    /// It was not there at the last look.
    gone: bool,
}

/// What changes when a file does, mostly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Something to tell, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileNews {
    /// A file cannot be used; the list that it had stays.
    Unusable(PathBuf, String),
    /// It can again.
    Usable(PathBuf),
    /// There is no such file.
    Missing(PathBuf),
}

/// What a look found.
#[derive(Debug)]
pub struct FileLook {
    /// What holds now.
    pub list: TargetList,
    /// What is to be told.
    pub news: Vec<FileNews>,
    /// Files that cannot be used now, with the reasons, told or not.
    pub failures: Vec<(PathBuf, String)>,
}

impl FileSource {
    /// A source that has `last` until its files say otherwise.
    pub fn new(patterns: Vec<FilePattern>, last: &TargetList) -> Self {
        let known = last.0.iter().map(|part| {
            let known = Known { groups: Some(Arc::clone(&part.groups)), ..Known::default() };
            (PathBuf::from(&*part.origin), known)
        });
        Self {
            patterns,
            known: known.collect(),
            missing: BTreeSet::new(),
            unusable: None,
            list: last.clone(),
            files_max: FILES_MAX,
            targets_max: TARGETS_MAX,
        }
    }

    /// Looks at all files. It blocks.
    pub fn look(&mut self, how: Looking) -> FileLook {
        let (mut news, mut failures) = (Vec::new(), Vec::new());
        let found = match self.paths(&mut news) {
            Ok(paths) => {
                self.read(&paths, how, &mut news);
                self.assembled()
            }
            Err(unusable) => Err(unusable),
        };
        match found {
            Ok(list) => {
                self.unusable = None;
                // The same list stays the same value.
                if list != self.list {
                    self.list = list;
                }
            }
            Err((path, problem)) => {
                if self.unusable.as_ref() != Some(&problem) {
                    news.push(FileNews::Unusable(path.clone(), problem.clone()));
                }
                self.unusable = Some(problem.clone());
                failures.push((path, problem));
            }
        }
        let of_files =
            self.known.iter().filter_map(|(path, known)| Some((path.clone(), known.failure.clone()?)));
        failures.extend(of_files);
        FileLook { list: self.list.clone(), news, failures }
    }

    /// The files that are there.
    fn paths(&mut self, news: &mut Vec<FileNews>) -> Result<BTreeSet<PathBuf>, (PathBuf, String)> {
        let mut paths = BTreeSet::new();
        for pattern in &self.patterns {
            let written = pattern.written();
            let found = pattern
                .files()
                .map_err(|error| (written.to_owned(), format!("cannot be listed: {error}")))?;
            if !found.is_empty() {
                self.missing.remove(written);
            } else if self.missing.insert(written.to_owned()) {
                news.push(FileNews::Missing(written.to_owned()));
            }
            paths.extend(found);
            if paths.len() > self.files_max {
                return Err((written.to_owned(), format!("is more than {} files", self.files_max)));
            }
        }
        Ok(paths)
    }

    fn read(&mut self, paths: &BTreeSet<PathBuf>, how: Looking, news: &mut Vec<FileNews>) {
        // A file that is replaced by hand is away for a moment: two looks must miss it.
        self.known.retain(|path, known| paths.contains(path) || !std::mem::replace(&mut known.gone, true));
        for path in paths {
            let known = self.known.entry(path.clone()).or_default();
            known.gone = false;
            let failed_before = known.failure.clone();
            known.look(path, how);
            match known.failure.clone() {
                Some(problem) if failed_before.as_ref() == Some(&problem) && !known.told => {
                    known.told = true;
                    news.push(FileNews::Unusable(path.clone(), problem));
                }
                None if std::mem::take(&mut known.told) => news.push(FileNews::Usable(path.clone())),
                Some(_) | None => {}
            }
        }
    }

    /// The lists of all files in one.
    fn assembled(&self) -> Result<TargetList, (PathBuf, String)> {
        let part = |(path, known): (&PathBuf, &Known)| {
            let origin = path.display().to_string().into();
            Some(TargetPart { origin, groups: Arc::clone(known.groups.as_ref()?) })
        };
        let list = TargetList(self.known.iter().filter_map(part).collect());
        match list.targets() {
            targets if targets > self.targets_max => {
                let first = self.patterns.first().map(|one| one.written().to_owned()).unwrap_or_default();
                let most = self.targets_max;
                Err((
                    first,
                    format!("and the files beside it hold {targets} targets, and at most {most} are taken"),
                ))
            }
            _ => Ok(list),
        }
    }
}

impl Known {
    fn look(&mut self, path: &Path, how: Looking) {
        let stamp = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Stamp::of(&metadata),
            // Opening a pipe would wait for its writer.
            Ok(_) => return self.failed(None, "is not a regular file".to_owned()),
            Err(error) => return self.failed(None, format!("cannot be read: {error}")),
        };
        if how == Looking::Quick && self.stamp == Some(stamp) {
            return;
        }
        let read =
            read_whole(path).map_err(|error| format!("cannot be read: {error}")).and_then(
                |bytes| match bytes.len() {
                    bytes if bytes > LIST_BYTES_MAX => Err(format!("has more than {LIST_BYTES_MAX} bytes")),
                    _ => parse(&bytes).map_err(|error| format!("failed to {error}")),
                },
            );
        match read {
            Ok(groups) => {
                if self.groups.as_ref() != Some(&groups) {
                    self.groups = Some(groups);
                }
                self.stamp = Some(stamp);
                self.failure = None;
            }
            Err(problem) => self.failed(Some(stamp), problem),
        }
    }

    fn failed(&mut self, stamp: Option<Stamp>, problem: String) {
        self.stamp = stamp;
        self.failure = Some(problem);
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// At most a byte more than a list may have.
fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(LIST_BYTES_MAX + 1).unwrap_or(u64::MAX);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
