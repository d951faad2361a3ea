//! A file that holds a secret, mostly one password: where it is, whether others can read it, what stands in it.
//!
//! A file outside `$CREDENTIALS_DIRECTORY` must be closed to group and others, because the same file with a looser mode
//! is how passwords leak. Exception: a file that root owns may be readable by its group (0440), as Kubernetes mounts a
//! Secret for a pod with an `fsGroup`. Nothing here prints a password, and no copy of it is left behind in memory.
//! Not here: when a file is read again (`app::rotation`).

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use model::Secret;
use zeroize::Zeroizing;

use super::{environment::Environment, problem::Refusal};

/// Longer than any password; a larger file is the wrong file.
const PASSWORD_BYTES_MAX: usize = 4096;
/// Longer than any secret of many lines, such as a NATS credentials file whose token lists what is allowed.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// One file, as the config names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    written: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`.
    directory: Option<PathBuf>,
}

impl SecretFile {
    pub(super) fn new(written: PathBuf, environment: &Environment) -> Self {
        Self { written, directory: environment.credentials_directory() }
    }

    /// The path as written in the config.
    pub fn written(&self) -> &Path {
        &self.written
    }

    /// Reads the password that is there now. Links are followed at each reading: Kubernetes and careful operators replace
    /// a file by moving a link.
    pub(crate) fn read(&self) -> Result<Secret, Refusal> {
        let (path, bytes) = self.read_bytes(PASSWORD_BYTES_MAX)?;
        password(&path, &bytes)
    }

    /// Reads a secret of any number of lines.
    pub(crate) fn read_text(&self) -> Result<Secret, Refusal> {
        let (path, bytes) = self.read_bytes(TEXT_BYTES_MAX)?;
        Ok(Secret::new(text(&path, &bytes, TEXT_BYTES_MAX)?.to_owned()))
    }

    /// The path, and at most a byte more than `most`.
    fn read_bytes(&self, most: usize) -> Result<(PathBuf, Zeroizing<Vec<u8>>), Refusal> {
        let path = self.path()?;
        let failed = |error: io::Error| {
            Refusal::new(format!("{} cannot be read: {error}", path.display())).hint(
                "is the path right, and may this user read it? `check-config --no-secrets` does without",
            )
        };
        // Opening a pipe would wait for its writer.
        if !fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(Refusal::new(format!("{} is not a regular file", path.display())));
        }
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let climbs = path.components().any(|part| part == Component::ParentDir);
        let by_systemd =
            self.directory.as_ref().is_some_and(|directory| path.starts_with(directory)) && !climbs;
        if !by_systemd {
            check_mode(&path, metadata.mode() & 0o777, metadata.uid())?;
        }
        let bytes = read_whole(file, most).map_err(failed)?;
        Ok((path, bytes))
    }

    fn path(&self) -> Result<PathBuf, Refusal> {
        match &self.directory {
            _ if self.written.is_absolute() => Ok(self.written.clone()),
            Some(directory) => Ok(directory.join(&self.written)),
            None => Err(Refusal::new(format!(
                "{} is a relative path, and $CREDENTIALS_DIRECTORY is not set",
                self.written.display()
            ))
            .hint("write an absolute path, or start under systemd with LoadCredential=")),
        }
    }
}

/// At most a byte more than a secret may have, in a buffer that never grows: growing would leave a copy behind.
fn read_whole(mut file: File, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; most + 1]);
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Whether a file of a secret has a mode that lets others read or change it.
pub(crate) fn is_open_to_others(mode: u32, owner: u32) -> bool {
    mode & if owner == 0 { 0o037 } else { 0o077 } != 0
}

fn check_mode(path: &Path, mode: u32, owner: u32) -> Result<(), Refusal> {
    if !is_open_to_others(mode, owner) {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is open to others (mode {mode:04o})", path.display()))
        .hint(format!("chmod 600 {}; for a Kubernetes Secret, defaultMode: 0440", path.display())))
}

fn refused(path: &Path, what: &str) -> Refusal {
    Refusal::new(format!("{} {what}", path.display()))
}

fn text<'a>(path: &Path, bytes: &'a [u8], most: usize) -> Result<&'a str, Refusal> {
    if bytes.len() > most {
        return Err(refused(path, &format!("has more than {most} bytes")));
    }
    std::str::from_utf8(bytes).map_err(|_| refused(path, "is not UTF-8 text"))
}

fn password(path: &Path, bytes: &[u8]) -> Result<Secret, Refusal> {
    let text = text(path, bytes, PASSWORD_BYTES_MAX)?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line {
        "" => Err(refused(path, "is empty")),
        _ if line.contains(char::is_control) => {
            Err(refused(path, "holds more than one line, or control characters"))
        }
        _ => Ok(Secret::new(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused_by_mode_and_owner() {
        for (mode, owner, accepted) in [
            (0o600, 1000, true),
            (0o400, 0, true),
            (0o440, 0, true),
            (0o440, 1000, false),
            (0o640, 1000, false),
            (0o644, 0, false),
            (0o460, 0, false),
            (0o604, 1000, false),
        ] {
            assert_eq!(check_mode(Path::new("/x"), mode, owner).is_ok(), accepted, "{mode:o} of {owner}");
        }
    }

    #[test]
    fn one_newline_at_the_end_is_not_part_of_a_password() {
        let read =
            |text: &str| password(Path::new("/x"), text.as_bytes()).map(|secret| secret.expose().to_owned());
        assert_eq!(read("s3cret\n"), Ok("s3cret".to_owned()));
        assert_eq!(read("s3cret \r\n"), Ok("s3cret ".to_owned()));
        assert_eq!(read("\n").unwrap_err().text, "/x is empty");
        assert_eq!(read("a\nb\n").unwrap_err().text, "/x holds more than one line, or control characters");
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(read(&long).unwrap_err().text, "/x has more than 4096 bytes");
        assert_eq!(password(Path::new("/x"), b"\xff").unwrap_err().text, "/x is not UTF-8 text");
    }
}
