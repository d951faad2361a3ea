//! A disk that is small enough to be filled: a tmpfs, which only root may mount.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// Room for an hour's journal; what is left of it, the filler takes.
const SIZE: &str = "size=1g";

/// The filler grows by so many bytes, at the end by one page.
const PIECE: usize = 1 << 20;
const PAGE: usize = 4096;

/// A small disk, mounted as long as this lives.
pub(crate) struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one over a directory; nothing where that is not allowed.
    pub(crate) fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "bmcwatch-soak"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self { at: at.to_owned() })
    }

    fn filler(&self) -> PathBuf {
        self.at.join("filler")
    }

    /// Takes the last byte.
    pub(crate) fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("the disk is ours");
        let piece = vec![0; PIECE];
        for size in [PIECE, PAGE] {
            loop {
                match filler.write(&piece[..size]) {
                    Ok(1..) => {}
                    Ok(0) => break,
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("fill the disk: {error}"),
                }
            }
        }
    }

    /// Gives the room back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    /// What was on it stays beside it, so that it is evidence.
    fn drop(&mut self) {
        drop(fs::remove_file(self.filler()));
        let kept = self.at.with_extension("kept");
        // A drop cannot fail: what is not there then was not to be saved.
        drop(Command::new("cp").arg("-a").arg(&self.at).arg(kept).output());
        drop(Command::new("umount").arg("--lazy").arg(&self.at).output());
    }
}
