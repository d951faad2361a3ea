//! Taking over from infra-controller: its state file says how far it had told each log, as the highest `Id` taken as a number.
//!
//! It promises that the file is looked at once, and only when somebody asks for a log; that no file, however large,
//! strange or hostile, stops or delays a collector for long; and that nothing of its content is logged. Not here: what a
//! number means for the reading of a log, and that only a log without a bookmark is asked about (`catch_up`).

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use model::Endpoint;
use serde::Deserialize;
use tokio::{io::AsyncReadExt, sync::OnceCell};
use tracing::{debug, info, warn};

use crate::collector::chain;

/// Stands in the path for the machine.
const PLACEHOLDER: &str = "{machine_id}";

/// The label that infra-controller's name of the machine is taken from.
const LABEL: &str = "machine_id";

/// A state file holds a line per log; the largest BMCs have a few dozen logs, so this is a hundred times what is seen.
const STATE_FILE_BYTES_MAX: u64 = 1 << 20;

/// A file system that takes longer than this hangs, and the collector goes on without it.
const READ_MAX: Duration = Duration::from_secs(5);

/// Where an earlier collector had come to, for the logs of one endpoint. It outlives the collectors of its slot, so that
/// the file is read once in the endpoint's life.
#[derive(Debug)]
pub(crate) struct TakeOver {
    endpoint: String,
    file: Option<Result<PathBuf, StateFileError>>,
    read: OnceCell<LastSeen>,
}

/// Numbers by the canonical path of their log.
type LastSeen = BTreeMap<String, u64>;

/// Why a state file is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateFileError {
    /// It would lead out of the directory that the operator named.
    #[error(
        "use {0:?} in the path of the state file: a slash, a backslash, `..` or a control character is in it"
    )]
    MachineId(String),
    /// Opening or reading it failed; absence is no error.
    #[error("read the state file")]
    Read(#[source] io::Error),
    /// A directory, a pipe or a device.
    #[error("read the state file: it is not a regular file")]
    NotAFile,
    /// Longer than any state file can be.
    #[error("read the state file: it is larger than {STATE_FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// The file system did not answer.
    #[error("read the state file within {} s", READ_MAX.as_secs())]
    TimedOut,
    /// Not what infra-controller writes. The parser's own text is left out, since it may quote the file.
    #[error("understand the state file: {what} in line {line}, column {column}")]
    Malformed {
        /// The kind of mistake.
        what: &'static str,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
    },
}

/// What infra-controller writes; fields that it may add are no matter.
#[derive(Deserialize)]
struct StateFile {
    last_seen_ids: BTreeMap<String, i64>,
}

impl TakeOver {
    /// For an endpoint, from the path in the config; without a path nothing is taken over. No file is touched.
    pub(crate) fn of(template: Option<&Path>, endpoint: &Endpoint) -> Self {
        let file = template.map(|template| state_file(template, endpoint));
        Self { endpoint: endpoint.id.to_string(), file, read: OnceCell::new() }
    }

    /// The highest `Id` that had been told of a log, given by the path of its service or of its entries. The first
    /// question reads the file, within a deadline; `None` when it says nothing of this log.
    pub(crate) async fn last_seen(&self, log_path: &str) -> Option<u64> {
        let file = self.file.as_ref()?;
        let read = self.read.get_or_init(|| self.look(file)).await;
        read.get(&canonical(log_path)).copied()
    }

    async fn look(&self, file: &Result<PathBuf, StateFileError>) -> LastSeen {
        let endpoint = self.endpoint.as_str();
        let path = match file {
            Ok(path) => path,
            Err(error) => {
                warn!(endpoint, error = chain(error), "progress of infra-controller is not taken over");
                return LastSeen::new();
            }
        };
        let outcome = tokio::time::timeout(READ_MAX, read(path)).await;
        match outcome.unwrap_or(Err(StateFileError::TimedOut)) {
            Ok(last_seen) => {
                info!(endpoint, file = %path.display(), logs = last_seen.len(), "took over progress of infra-controller");
                last_seen
            }
            Err(StateFileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => {
                debug!(endpoint, file = %path.display(), "no progress of infra-controller to take over");
                LastSeen::new()
            }
            Err(error) => {
                let (file, error) = (path.display(), chain(&error));
                warn!(endpoint, %file, error, "progress of infra-controller is not taken over");
                LastSeen::new()
            }
        }
    }
}

/// The path for one endpoint. What takes the place of `{machine_id}` must be one word within one component.
fn state_file(template: &Path, endpoint: &Endpoint) -> Result<PathBuf, StateFileError> {
    let Some(text) = template.to_str().filter(|text| text.contains(PLACEHOLDER)) else {
        return Ok(template.to_owned());
    };
    let machine = endpoint.labels.get(LABEL).map_or(endpoint.id.as_str(), String::as_str);
    let strange = |c: char| c == '/' || c == '\\' || c.is_control();
    if machine.is_empty() || machine == "." || machine.contains("..") || machine.contains(strange) {
        return Err(StateFileError::MachineId(machine.to_owned()));
    }
    Ok(text.replace(PLACEHOLDER, machine).into())
}

async fn read(path: &Path) -> Result<LastSeen, StateFileError> {
    // Before opening: to open a pipe would wait for whoever writes into it.
    if !tokio::fs::metadata(path).await.map_err(StateFileError::Read)?.is_file() {
        return Err(StateFileError::NotAFile);
    }
    let file = tokio::fs::File::open(path).await.map_err(StateFileError::Read)?;
    let mut text = Vec::new();
    // The length that a file claims is not asked: it may grow, and some claim none.
    file.take(STATE_FILE_BYTES_MAX + 1).read_to_end(&mut text).await.map_err(StateFileError::Read)?;
    if text.len() as u64 > STATE_FILE_BYTES_MAX {
        return Err(StateFileError::TooLarge);
    }
    parse(&text)
}

pub(crate) fn parse(text: &[u8]) -> Result<LastSeen, StateFileError> {
    let state: StateFile = serde_json::from_slice(text).map_err(|error| StateFileError::Malformed {
        what: match error.classify() {
            serde_json::error::Category::Data => "an unexpected value",
            serde_json::error::Category::Eof => "the end of the text",
            _ => "no JSON",
        },
        line: error.line(),
        column: error.column(),
    })?;
    let mut last_seen = LastSeen::new();
    for (log, number) in state.last_seen_ids {
        // Below zero stands for "nothing yet".
        let Ok(number) = u64::try_from(number) else { continue };
        // Two spellings of one log: the lower number repeats a little, the higher one might lose.
        last_seen.entry(canonical(&log)).and_modify(|seen| *seen = number.min(*seen)).or_insert(number);
    }
    Ok(last_seen)
}

/// A log's path so that all its spellings are one: without origin, `/Entries` and slashes at the end, in lower case.
pub(crate) fn canonical(log: &str) -> String {
    let path = match log.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("", |slash| &rest[slash..]),
        _ => log,
    };
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    path.strip_suffix("/entries").unwrap_or(&path).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests;
