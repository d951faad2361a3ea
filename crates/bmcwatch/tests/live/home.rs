//! The directory of one story: the configuration, the journal, the file sink and the daemon's standard error. It outlives
//! the daemons that are started in it, as a machine's disk does.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;
use tempfile::TempDir;

/// One story's directory, gone with it.
pub(crate) struct Home {
    directory: TempDir,
    starts: AtomicU32,
}

/// What the file sink of a story may hold: everything, in files of this size.
const FILES: &str = "max_files = 10000";

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        fs::create_dir(directory.path().join("journal")).expect("the directory is ours");
        Self { directory, starts: AtomicU32::new(0) }
    }

    /// One that stays where it can be found, whatever happens, until [`Home::remove`].
    pub(crate) fn kept(story: &str) -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(parent).expect("the target directory is ours");
        let mut kept = tempfile::Builder::new();
        let directory = kept.prefix(&format!("{story}-")).disable_cleanup(true).tempdir_in(parent);
        let directory = directory.expect("the target directory is ours");
        fs::create_dir(directory.path().join("journal")).expect("the directory is ours");
        Self { directory, starts: AtomicU32::new(0) }
    }

    /// Nobody needs it any more.
    pub(crate) fn remove(mut self) {
        self.directory.disable_cleanup(false);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("bmcwatch.toml")
    }

    /// The file of the sink.
    pub(crate) fn records(&self) -> PathBuf {
        self.path("records.jsonl")
    }

    /// Writes the configuration: `settings` is any TOML; journal, file sink and admin listener are added.
    pub(crate) fn write_config(&self, settings: &str) {
        self.write(settings, "100MiB", "127.0.0.1:0");
    }

    /// The same with files of another size.
    pub(crate) fn write_config_with_sink(&self, settings: &str, max_size: &str) {
        self.write(settings, max_size, "127.0.0.1:0");
    }

    /// The same with an admin listener whose address is known before.
    pub(crate) fn write_config_at(&self, settings: &str, listen: &str) {
        self.write(settings, "100MiB", listen);
    }

    fn write(&self, settings: &str, max_size: &str, listen: &str) {
        let mut text = settings.to_owned();
        let (journal, records) = (self.path("journal"), self.records());
        let (journal, records) = (journal.display(), records.display());
        write!(
            text,
            "\n[journal]\ndirectory = \"{journal}\"\n\
             [[sinks]]\nname = \"records\"\ntype = \"file\"\npath = \"{records}\"\nmax_size = \"{max_size}\"\n{FILES}\n\
             [admin]\nlisten = \"{listen}\"\n",
        )
        .expect("a String takes every write");
        self.write_raw_config(&text);
    }

    /// Writes the configuration as it is.
    pub(crate) fn write_raw_config(&self, text: &str) {
        fs::write(self.config(), text).expect("the directory is ours");
    }

    /// Standard error of the next start.
    pub(crate) fn next_log(&self) -> PathBuf {
        let start = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        self.log(start)
    }

    fn log(&self, start: u32) -> PathBuf {
        self.path(&format!("stderr-{start}.jsonl"))
    }

    /// Every line that any daemon here wrote to standard error, in order.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        let starts = 1..=self.starts.load(Ordering::Relaxed);
        let texts = starts.map(|start| read(&self.log(start)));
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Lines on standard error that are no JSON (a panic), or that say `error`.
    pub(crate) fn alarming_lines(&self) -> Vec<String> {
        let alarming = |line: &String| match serde_json::from_str::<Value>(line) {
            Ok(entry) => entry["level"] == "error",
            Err(_) => true,
        };
        self.log_lines().into_iter().filter(alarming).collect()
    }
}

/// A file as text; nothing where there is none yet.
pub(crate) fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
