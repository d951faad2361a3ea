//! Rotation by rename: `path` becomes `path.1`, which became `path.2`, and so on. Files are renamed whole, so no line is
//! ever split, and a kill between two renames loses nothing: the next rotation shifts only up to the first free number.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The name of the `number`th newest renamed file.
pub(super) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Moves the current file out of the way and keeps at most `max_files` moved ones.
pub(super) fn rotate(path: &Path, max_files: u32) -> io::Result<()> {
    if max_files == 0 {
        fs::remove_file(path)?;
        return sync_directory(path);
    }
    let mut free = 1;
    while free < max_files && fs::exists(rotated(path, free))? {
        free += 1;
    }
    for number in (1..free).rev() {
        fs::rename(rotated(path, number), rotated(path, number + 1))?;
    }
    fs::rename(path, rotated(path, 1))?;
    sync_directory(path)
}

/// Makes renames and new files in the directory of `path` durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<(String, String)> {
        let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<_> = files
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
            })
            .collect();
        names.sort();
        names
    }

    #[track_caller]
    fn check(before: &[(&str, &str)], max_files: u32, after: &[(&str, &str)]) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in before {
            fs::write(directory.path().join(name), text).unwrap();
        }
        rotate(&directory.path().join("r"), max_files).unwrap();
        let after: Vec<_> = after.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(names(directory.path()), after);
    }

    #[test]
    fn every_file_moves_up_by_one() {
        check(&[("r", "c"), ("r.1", "b"), ("r.2", "a")], 5, &[("r.1", "c"), ("r.2", "b"), ("r.3", "a")]);
    }

    #[test]
    fn the_oldest_goes_when_there_are_enough() {
        check(&[("r", "c"), ("r.1", "b"), ("r.2", "a")], 2, &[("r.1", "c"), ("r.2", "b")]);
        check(&[("r", "b"), ("r.1", "a")], 1, &[("r.1", "b")]);
        check(&[("r", "a")], 0, &[]);
    }

    #[test]
    fn a_rotation_that_a_kill_interrupted_loses_nothing() {
        check(&[("r", "c"), ("r.1", "b"), ("r.3", "a")], 3, &[("r.1", "c"), ("r.2", "b"), ("r.3", "a")]);
    }
}
