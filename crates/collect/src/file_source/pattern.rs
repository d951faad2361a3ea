//! Which files a source reads: a path, in whose last element `*` stands for any characters.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use model::Pattern;

/// One file, or those whose names look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePattern {
    written: PathBuf,
    /// The names; `None` for the one file.
    names: Option<Pattern>,
}

/// Why a text names no files; the message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilePatternError {
    /// No path at all, or a directory.
    #[error("{0:?} names no file: write a path such as \"/etc/bmcwatch/targets/*.json\"")]
    NoName(String),
    /// A `*` in a directory.
    #[error("{0:?} has a * before its last element: only names of files are matched, not of directories")]
    Directory(String),
    /// Blanks beside a `*`.
    #[error("{0:?} has blanks beside a *: name the files one by one, or match without them")]
    Blanks(String),
}

impl FilePattern {
    /// The files that a text names.
    pub fn of(text: &str) -> Result<Self, FilePatternError> {
        let written = PathBuf::from(text);
        let name = written.file_name().and_then(|name| name.to_str()).filter(|_| !text.ends_with('/'));
        let name = name.ok_or_else(|| FilePatternError::NoName(text.to_owned()))?;
        let names = if name.contains('*') {
            Some(Pattern::of(name).ok_or_else(|| FilePatternError::Blanks(text.to_owned()))?)
        } else {
            None
        };
        if written.parent().is_some_and(|parent| parent.to_string_lossy().contains('*')) {
            return Err(FilePatternError::Directory(text.to_owned()));
        }
        Ok(Self { written, names })
    }

    /// As it stands in the config.
    pub fn written(&self) -> &Path {
        &self.written
    }

    /// Those that are there. Names that begin with a dot are left out, as a shell does: that is what files are called while
    /// they are written, and what the kubelet calls its own. A directory is no file.
    pub(super) fn files(&self) -> io::Result<Vec<PathBuf>> {
        let Some(names) = &self.names else {
            return match fs::metadata(&self.written) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                // What else is wrong is said when it is read.
                Ok(_) | Err(_) => Ok(vec![self.written.clone()]),
            };
        };
        let directory = match self.written.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let fits = name.to_str().is_some_and(|name| !name.starts_with('.') && names.matches(name));
            let path = directory.join(&name);
            if fits && !path.is_dir() {
                found.push(path);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_files_is_refused_with_the_way_out() {
        for text in ["/etc/targets.json", "targets/*.json", "/a b/c.json", "*"] {
            assert_eq!(FilePattern::of(text).unwrap().written(), Path::new(text));
        }
        for (text, part) in [
            ("", "names no file"),
            ("/", "names no file"),
            ("/etc/targets/", "names no file"),
            ("/etc/*/targets.json", "before its last element"),
            ("/etc/*/*.json", "before its last element"),
            ("/etc/a *.json", "blanks beside a *"),
        ] {
            let error = FilePattern::of(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn names_with_a_dot_in_front_and_directories_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.json", "b.json", ".c.json", "d.yml"] {
            fs::write(directory.path().join(name), "[]").unwrap();
        }
        fs::create_dir(directory.path().join("e.json")).unwrap();
        let found = |name: &str| {
            let pattern = FilePattern::of(directory.path().join(name).to_str().unwrap()).unwrap();
            let mut names: Vec<String> = pattern
                .files()
                .unwrap()
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(found("*.json"), "a.json b.json");
        assert_eq!(found("a*"), "a.json");
        assert_eq!(found("x*"), "");
        assert_eq!(found("nowhere/*.json"), "");
        assert_eq!(found("x.json"), "");
        assert_eq!(found(".c.json"), ".c.json");
    }
}
