//! Compares what happened with what stands in the files of a sink: nothing lost, nothing twice, no torn line.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, fs,
    path::{Path, PathBuf},
};

use model::{Record, codec};
use serde::Deserialize;

use crate::home::read;

/// The parts of a record that matter here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    pub(crate) position: u64,
    pub(crate) uid: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) message: String,
    pub(crate) message_args: Vec<String>,
    pub(crate) log_service: Option<String>,
}

/// Who it is about.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) id: String,
}

/// All lines of a file sink, rotated files included, oldest first; and the lines that are no records.
pub(crate) fn lines(path: &Path) -> (Vec<Line>, Vec<String>) {
    let (mut whole, mut torn) = (Vec::new(), Vec::new());
    for file in files(path) {
        let text = read(&file);
        if !text.is_empty() && !text.ends_with('\n') {
            torn.push(format!("{} does not end with a line feed", file.display()));
        }
        for line in text.lines() {
            match serde_json::from_str(line) {
                Ok(line) => whole.push(line),
                Err(_) => torn.push(line.to_owned()),
            }
        }
    }
    (whole, torn)
}

/// All records of a file sink, oldest first; and what is wrong with its lines: no records, or out of order.
pub(crate) fn records(path: &Path) -> (Vec<Record>, Vec<String>) {
    let (mut records, mut wrong, mut before) = (Vec::new(), Vec::new(), 0);
    for line in files(path).iter().flat_map(|file| read(file).lines().map(str::to_owned).collect::<Vec<_>>())
    {
        match codec::read_line(line.as_bytes()) {
            Ok((position, record)) => {
                if position <= before {
                    wrong.push(format!("position {position} after {before}"));
                }
                before = position;
                records.push(record);
            }
            Err(error) => wrong.push(format!("{error}: {line}")),
        }
    }
    (records, wrong)
}

/// How many lines the files hold, without reading what they say.
pub(crate) fn count(path: &Path) -> usize {
    files(path).iter().map(|file| read(file).lines().count()).sum()
}

/// The files of a sink that exist, oldest first.
fn files(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
    let directory =
        fs::read_dir(path.parent().expect("it is in a directory")).expect("the directory is ours");
    let mut found: Vec<(u32, PathBuf)> = directory
        .filter_map(|entry| {
            let path = entry.expect("it can be listed").path();
            let rest = path.file_name()?.to_str()?.strip_prefix(&name)?.to_owned();
            let age = if rest.is_empty() { 0 } else { rest.strip_prefix('.')?.parse().ok()? };
            Some((age, path))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, path)| path).collect()
}

/// What the comparison found.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) happened: usize,
    pub(crate) records: usize,
    pub(crate) files: usize,
    pub(crate) kinds: BTreeMap<String, usize>,
    pub(crate) sources: BTreeMap<String, usize>,
    pub(crate) lost: Vec<String>,
    pub(crate) twice_by_uid: Vec<String>,
    pub(crate) twice_by_token: Vec<String>,
    pub(crate) invented: Vec<String>,
    pub(crate) torn: Vec<String>,
    /// Lines whose position is not above that of the line before.
    pub(crate) out_of_order: usize,
}

/// Compares the tokens of all happenings with the files at `path`.
pub(crate) fn compare(tokens: Vec<String>, path: &Path) -> Comparison {
    let (lines, torn) = lines(path);
    let happened = tokens.len();
    let mut missing: BTreeSet<String> = tokens.into_iter().collect();
    let mut found = Comparison { happened, torn, files: files(path).len(), ..Comparison::default() };
    let mut by_token: HashMap<String, String> = HashMap::new();
    let mut uids: BTreeSet<String> = BTreeSet::new();
    let mut before = 0;
    for line in lines {
        *found.kinds.entry(line.kind.clone()).or_default() += 1;
        *found.sources.entry(line.source.clone()).or_default() += 1;
        found.out_of_order += usize::from(line.position <= before);
        before = line.position;
        if !uids.insert(line.uid.clone()) {
            found.twice_by_uid.push(format!("{} {}", line.uid, line.message));
        }
        if !matches!(line.kind.as_str(), "entry" | "event") {
            continue;
        }
        found.records += 1;
        let token = line.message_args.last().cloned().unwrap_or_default();
        let seen = format!("{}@{} by {}", line.kind, line.position, line.source);
        if let Some(first) = by_token.insert(token.clone(), seen.clone()) {
            found.twice_by_token.push(format!("{token}: {first}, {seen}"));
        } else if !missing.remove(&token) {
            found.invented.push(format!("{}: {}", line.endpoint.id, line.message));
        }
    }
    found.lost = missing.into_iter().collect();
    found
}

impl Comparison {
    /// Everything exactly once, and nothing else.
    pub(crate) fn assert_exact(&self) {
        let wrong = [&self.lost, &self.twice_by_uid, &self.twice_by_token, &self.invented, &self.torn];
        let shown: Vec<Vec<&String>> = wrong.iter().map(|list| list.iter().take(10).collect()).collect();
        let exact = wrong.iter().all(|list| list.is_empty()) && self.out_of_order == 0;
        assert!(exact, "lost, twice by uid, twice by token, invented, torn: {shown:#?}\n{self}");
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "events logged by the BMCs   {:>8}", self.happened)?;
        writeln!(f, "records in the files        {:>8}  ({} files)", self.records, self.files)?;
        writeln!(f, "lost                        {:>8}", self.lost.len())?;
        writeln!(f, "twice by uid                {:>8}", self.twice_by_uid.len())?;
        writeln!(f, "twice by token              {:>8}", self.twice_by_token.len())?;
        writeln!(f, "invented                    {:>8}", self.invented.len())?;
        writeln!(f, "torn lines                  {:>8}", self.torn.len())?;
        writeln!(f, "positions out of order      {:>8}", self.out_of_order)?;
        writeln!(f, "lines by kind               {:?}", self.kinds)?;
        writeln!(f, "lines by source             {:?}", self.sources)
    }
}

#[cfg(test)]
#[test]
fn what_is_lost_twice_torn_or_invented_is_seen() {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let path = directory.path().join("records.jsonl");
    let line = |position: u64, uid: &str, token: &str| {
        format!(
            "{{\"position\":{position},\"uid\":\"{uid}\",\"kind\":\"entry\",\"source\":\"poll\",\"endpoint\":{{\"id\":\"a\"}},\
             \"message\":\"\",\"message_args\":[\"{token}\"],\"log_service\":null}}\n"
        )
    };
    let old = [line(1, "u1", "a-1"), line(2, "u2", "a-1"), line(3, "u1", "a-2")].concat();
    let new = [line(5, "u5", "a-9"), line(4, "u4", "a-3"), "{\"position\":6".to_owned()].concat();
    fs::write(directory.path().join("records.jsonl.1"), old).expect("the directory is ours");
    fs::write(&path, new).expect("the directory is ours");
    let tokens = ["a-1", "a-2", "a-3", "a-4"].map(str::to_owned);
    let found = compare(tokens.into(), &path);
    assert_eq!((found.happened, found.records, found.files, found.out_of_order), (4, 5, 2, 1));
    let sizes = [&found.lost, &found.twice_by_uid, &found.twice_by_token, &found.invented, &found.torn];
    assert_eq!(sizes.map(Vec::len), [1, 1, 1, 1, 2], "{found}");
    assert_eq!(found.lost, ["a-4"]);
}
