//! `[credentials.NAME]`: logins, with passwords by reference.
//!
//! A password file outside `$CREDENTIALS_DIRECTORY` must be closed to group and others, because the same file with a
//! looser mode is how passwords leak. Exception: a file that root owns may be readable by its group (0440), as
//! Kubernetes mounts a Secret for a pod with an `fsGroup`. Nothing here prints a password.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

use model::Secret;
use redfish::Login;

use super::{
    environment::Environment,
    key,
    problem::Refusal,
    reader::{Reader, Table},
};

/// Longer than any password; a larger file is the wrong file.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// One login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The NAME that endpoints refer to.
    pub name: String,
    /// User and password.
    pub login: Login,
    /// Where the password came from.
    pub source: PasswordSource,
}

/// Where a password came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// This file, as written in the config.
    File(PathBuf),
    /// This environment variable.
    Variable(String),
    /// The config file itself.
    Inline,
}

/// What stands in the file: the usable logins, and the names of all, so that one mistake makes no second one.
pub(super) struct Known {
    pub(super) list: Vec<Credentials>,
    pub(super) names: Vec<String>,
}

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> Known {
    let tables = top.named_tables(reader, "credentials", &key::CREDENTIALS);
    let names = tables.iter().map(|(name, _)| name.clone()).collect();
    let list = tables.into_iter().filter_map(|(name, table)| one(reader, name, &table));
    Known { list: list.collect(), names }
}

fn one(reader: &mut Reader<'_>, name: String, table: &Table<'_>) -> Option<Credentials> {
    if !table.has("username") {
        table
            .table_problem(reader, Refusal::new("a login without a username").hint("add username = \"...\""));
    }
    let username = table.read(reader, "username", |text| match text {
        "" => Err(Refusal::new("the username is empty")),
        // Basic authentication separates user and password by the first colon.
        _ if text.contains(':') => Err(Refusal::new("a username cannot hold a colon")),
        _ => Ok(text.to_owned()),
    });
    let given: Vec<&str> =
        ["password_file", "password_env", "password"].into_iter().filter(|key| table.has(key)).collect();
    let (password, source) = match given[..] {
        ["password_file"] => {
            let path = table.read(reader, "password_file", super::path)?;
            let password =
                secret(reader, table, "password_file", |environment| from_file(&path, environment))?;
            (password, PasswordSource::File(path))
        }
        ["password_env"] => {
            let variable = table.text(reader, "password_env")?;
            let password =
                secret(reader, table, "password_env", |environment| from_variable(&variable, environment))?;
            (password, PasswordSource::Variable(variable))
        }
        [_] => {
            let password = table.read(reader, "password", |text| match text {
                "" => Err(Refusal::new("the password is empty")),
                _ => Ok(text.to_owned()),
            })?;
            let warning = Refusal::new("a password in the config file: whoever reads the file has it");
            table.warning(
                reader,
                "password",
                warning.hint("put it into a file of its own and name it with password_file"),
            );
            (Secret::new(password), PasswordSource::Inline)
        }
        [] => {
            let refusal = Refusal::new("a login without a password");
            table.table_problem(
                reader,
                refusal.hint("add password_file = \"/path\" or password_env = \"NAME\""),
            );
            return None;
        }
        [_, second, ..] => {
            let refusal =
                Refusal::new(format!("two passwords for one login: {} are given", given.join(" and ")));
            table.problem(reader, second, refusal.hint("keep one of them"));
            return None;
        }
    };
    Some(Credentials { name, login: Login { username: username?, password }, source })
}

/// Reads a secret where this is the machine that has it; an empty one elsewhere.
fn secret(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    key: &str,
    read: impl FnOnce(&Environment) -> Result<Secret, Refusal>,
) -> Option<Secret> {
    if !reader.environment.has_secrets() {
        return Some(Secret::new(String::new()));
    }
    read(reader.environment).map_err(|refusal| table.problem(reader, key, refusal)).ok()
}

fn from_variable(variable: &str, environment: &Environment) -> Result<Secret, Refusal> {
    match environment.get(variable) {
        Some(password) if !password.is_empty() => Ok(Secret::new(password)),
        Some(_) => Err(Refusal::new(format!("the environment variable {variable} is empty"))),
        None => Err(Refusal::new(format!("the environment variable {variable} is not set"))
            .hint("set it, or use password_file; `check-config --no-secrets` does without")),
    }
}

pub(super) fn from_file(written: &Path, environment: &Environment) -> Result<Secret, Refusal> {
    let directory = environment.credentials_directory();
    let path = match &directory {
        _ if written.is_absolute() => written.to_owned(),
        Some(directory) => directory.join(written),
        None => {
            return Err(Refusal::new(format!(
                "{} is a relative path, and $CREDENTIALS_DIRECTORY is not set",
                written.display()
            ))
            .hint("write an absolute path, or start under systemd with LoadCredential="));
        }
    };
    let failed = |error: std::io::Error| {
        Refusal::new(format!("{} cannot be read: {error}", path.display()))
            .hint("is the path right, and may this user read it? `check-config --no-secrets` does without")
    };
    // Opening a pipe would wait for its writer.
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(Refusal::new(format!("{} is not a regular file", path.display())));
    }
    let file = File::open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let by_systemd = directory.is_some_and(|directory| path.starts_with(directory)) && !climbs;
    if !by_systemd {
        check_mode(&path, metadata.mode() & 0o777, metadata.uid())?;
    }
    let mut text = String::new();
    file.take(PASSWORD_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    password(&path, text)
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

fn password(path: &Path, text: String) -> Result<Secret, Refusal> {
    let text = Secret::new(text);
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    let line = line.strip_suffix('\r').unwrap_or(line);
    let refused = |what: String| Err(Refusal::new(format!("{} {what}", path.display())));
    match line {
        "" => refused("is empty".to_owned()),
        _ if text.expose().len() as u64 > PASSWORD_BYTES_MAX => {
            refused(format!("has more than {PASSWORD_BYTES_MAX} bytes"))
        }
        _ if line.contains(char::is_control) => {
            refused("holds more than one line, or control characters".to_owned())
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
            |text: &str| password(Path::new("/x"), text.to_owned()).map(|secret| secret.expose().to_owned());
        assert_eq!(read("s3cret\n"), Ok("s3cret".to_owned()));
        assert_eq!(read("s3cret \r\n"), Ok("s3cret ".to_owned()));
        assert_eq!(read("\n").unwrap_err().text, "/x is empty");
        assert_eq!(read("a\nb\n").unwrap_err().text, "/x holds more than one line, or control characters");
        assert_eq!(read(&"x".repeat(5000)).unwrap_err().text, "/x has more than 4096 bytes");
    }
}
