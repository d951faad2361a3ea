//! The end of a file that another process writes: what has come since the last look.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// The end of a file.
pub(crate) struct Tail {
    file: File,
    text: String,
    /// Lines that were read.
    pub(crate) lines: usize,
}

impl Tail {
    pub(crate) fn open(path: &Path) -> Self {
        // Who writes it makes it with its first record at the latest.
        let file = File::options().read(true).append(true).create(true).open(path);
        Self { file: file.expect("the directory is ours"), text: String::new(), lines: 0 }
    }

    /// Takes up what is new.
    pub(crate) fn read(&mut self) {
        // The line that was not whole yet is looked at again.
        let whole = self.text.rfind('\n').map_or(0, |at| at + 1);
        self.text.drain(..whole);
        let from = self.file.stream_position().expect("it is a file");
        if self.file.read_to_string(&mut self.text).is_err() {
            // A character that is not whole yet.
            self.file.seek(SeekFrom::Start(from)).expect("it is a file");
        }
        self.lines += self.text.matches('\n').count();
    }

    /// Whether what is new tells of this happening.
    pub(crate) fn has(&mut self, token: &str) -> bool {
        self.read();
        self.text.contains(&format!("[{token}]"))
    }
}
