//! What is wrong with a config file: where, which key, what, and the way out.
//!
//! A problem never quotes a secret. Not here: the rules themselves; they stand beside each section's reader.

use std::{fmt, path::PathBuf};

/// Exit code of a program whose config cannot be used (`EX_CONFIG` of sysexits.h), so that systemd does not restart it.
pub const EXIT_CONFIG: u8 = 78;

/// A place in a file; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One mistake, or one thing worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The config file.
    pub file: PathBuf,
    /// Where in the file; `None` when the file could not be read.
    pub place: Option<Place>,
    /// The path of the key, such as `collectors.logs.mode`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub text: String,
    /// The way out, where one is known.
    pub hint: Option<String>,
}

/// Something that works and should be looked at. It has the shape of a [`Problem`].
pub type Warning = Problem;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\n    hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every problem of one file, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(mut list: Vec<Problem>) -> Self {
        assert!(!list.is_empty(), "problems without a problem");
        list.sort_by_key(|problem| problem.place);
        Self { list }
    }

    /// The problems, in the order of the file.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Why a value was refused, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

impl Refusal {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
