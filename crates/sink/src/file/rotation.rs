//! Rotation by rename: `path` becomes `path.1`, which became `path.2`, and so on. Files are renamed whole, so no line is
//! ever split, and a kill between two renames loses nothing: the next rotation shifts only up to the first free number.
//!
//! A shipper that follows the file by its inode goes on reading `path.1`; packing begins behind it, with `path.2`, which
//! becomes `path.2.gz` or `path.2.zst` when all of it is there and on disk. Not here: when to rotate.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

use super::Packing;

/// What the name of a renamed file may end with, whatever is chosen now.
const ENDS: [&str; 3] = ["", ".gz", ".zst"];

/// The name of the `number`th newest renamed file.
pub(super) fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The same with one of the [`ENDS`].
fn ending(path: &Path, number: u32, end: &str) -> PathBuf {
    let mut name = rotated(path, number).into_os_string();
    name.push(end);
    name.into()
}

/// Whether there is one of this number, packed or not.
fn is_there(path: &Path, number: u32) -> io::Result<bool> {
    for end in ENDS {
        if fs::exists(ending(path, number, end))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves the current file out of the way and keeps at most `max_files` moved ones.
pub(super) fn rotate(path: &Path, max_files: u32) -> io::Result<()> {
    if max_files == 0 {
        fs::remove_file(path)?;
        return sync_directory(path);
    }
    let mut free = 1;
    while free < max_files && is_there(path, free)? {
        free += 1;
    }
    for end in ENDS {
        remove(&ending(path, free, end))?;
    }
    for number in (1..free).rev() {
        for end in ENDS {
            rename(&ending(path, number, end), &ending(path, number + 1, end))?;
        }
    }
    fs::rename(path, rotated(path, 1))?;
    sync_directory(path)
}

/// Packs what was renamed before the newest and is not packed yet.
pub(super) fn pack(path: &Path, max_files: u32, packing: Packing, mode: u32) -> io::Result<()> {
    let (end, pack): (_, Pack) = match packing {
        Packing::None => return Ok(()),
        Packing::Gzip => (".gz", gzip),
        Packing::Zstd => (".zst", zstd),
    };
    for number in 2..=max_files {
        let plain = rotated(path, number);
        if !fs::exists(&plain)? {
            // Further ones were packed when they stood here.
            return Ok(());
        }
        // Hidden from patterns by which shippers find files; the next packing writes over what a kill left.
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(end);
        name.push(".part");
        let part = path.with_file_name(name);
        let to = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part)?;
        pack(&mut File::open(&plain)?, to)?.sync_all()?;
        // At any moment one of the two is there and whole.
        fs::rename(&part, ending(path, number, end))?;
        sync_directory(path)?;
        fs::remove_file(plain)?;
    }
    Ok(())
}

/// Reads all of one file and packs it into the other, which is given back.
type Pack = fn(&mut File, File) -> io::Result<File>;

fn gzip(from: &mut File, to: File) -> io::Result<File> {
    let mut packing = GzEncoder::new(to, Compression::default());
    io::copy(from, &mut packing)?;
    packing.finish()
}

fn zstd(from: &mut File, to: File) -> io::Result<File> {
    let mut packing = zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    io::copy(from, &mut packing)?;
    packing.finish()
}

fn remove(path: &Path) -> io::Result<()> {
    absent_is_fine(fs::remove_file(path))
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    absent_is_fine(fs::rename(from, to))
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
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
    fn packed_files_move_up_with_the_others_and_go_like_them() {
        check(
            &[("r", "c"), ("r.1", "b"), ("r.2.gz", "a")],
            5,
            &[("r.1", "c"), ("r.2", "b"), ("r.3.gz", "a")],
        );
        check(&[("r", "c"), ("r.1", "b"), ("r.2.gz", "a")], 2, &[("r.1", "c"), ("r.2", "b")]);
        // A kill between the two names of a file that was packed.
        check(
            &[("r", "b"), ("r.1", "x"), ("r.1.gz", "a")],
            5,
            &[("r.1", "b"), ("r.2", "x"), ("r.2.gz", "a")],
        );
    }

    #[test]
    fn the_newest_renamed_file_stays_plain_and_what_is_packed_unpacks_to_what_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r");
        for name in ["r", "r.1", "r.2", "r.2.gz", ".r.gz.part"] {
            fs::write(directory.path().join(name), name.repeat(1000)).unwrap();
        }
        pack(&path, 3, Packing::Gzip, 0o640).unwrap();
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["r", "r.1", "r.2.gz"]);
        let packed = File::open(directory.path().join("r.2.gz")).unwrap();
        let text = io::read_to_string(flate2::read::GzDecoder::new(packed)).unwrap();
        assert_eq!(text, "r.2".repeat(1000));
    }

    #[test]
    fn a_rotation_that_a_kill_interrupted_loses_nothing() {
        check(&[("r", "c"), ("r.1", "b"), ("r.3", "a")], 3, &[("r.1", "c"), ("r.2", "b"), ("r.3", "a")]);
    }
}
