//! Who a sink is to a peer that is not asked over HTTP: at most one kind of login, its secret in a file.

use sink::NatsLogin;

use super::opening::Unusable;
use crate::config::{
    path,
    problem::Refusal,
    reader::{Reader, Table},
    secret_file::SecretFile,
};

/// Where a login stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginFile {
    /// There is none.
    None,
    /// A token.
    Token(SecretFile),
    /// A user, and the file of the password.
    Password {
        /// The user.
        username: String,
        /// Where the password is.
        file: SecretFile,
    },
    /// The seed of an NKey.
    Nkey(SecretFile),
    /// A credentials file.
    Credentials(SecretFile),
}

/// The keys of all kinds of login.
pub(super) const FILES: [&str; 4] = ["token_file", "password_file", "nkey_seed_file", "credentials_file"];

/// Of these kinds.
pub(in crate::config) fn read(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    files: &[&'static str],
) -> Option<LoginFile> {
    let username = table.read(reader, "username", |text| match text {
        "" => Err(Refusal::new("the username is empty")),
        text => Ok(text.to_owned()),
    });
    for (given, other) in [("username", "password_file"), ("password_file", "username")] {
        if table.has(given) && !table.has(other) {
            let value = if other == "username" { "..." } else { "/path" };
            let refusal = Refusal::new(format!("{given} without {other}"));
            table.problem(reader, given, refusal.hint(format!("add {other} = {value:?}")));
            return None;
        }
    }
    let given: Vec<&str> = files.iter().copied().filter(|key| table.has(key)).collect();
    let key = match given[..] {
        [] => return Some(LoginFile::None),
        [key] => key,
        [_, second, ..] => {
            let refusal = Refusal::new(format!("more than one login: {}", given.join(" and ")));
            table.problem(reader, second, refusal.hint("keep one of them"));
            return None;
        }
    };
    let file = SecretFile::new(table.read(reader, key, path)?, reader.environment);
    Some(match key {
        "token_file" => LoginFile::Token(file),
        "password_file" => LoginFile::Password { username: username?, file },
        "nkey_seed_file" => LoginFile::Nkey(file),
        _ => LoginFile::Credentials(file),
    })
}

impl LoginFile {
    /// The key of the file, and the file.
    pub(crate) fn file(&self) -> Option<(&'static str, &SecretFile)> {
        match self {
            Self::None => None,
            Self::Token(file) => Some(("token_file", file)),
            Self::Password { file, .. } => Some(("password_file", file)),
            Self::Nkey(file) => Some(("nkey_seed_file", file)),
            Self::Credentials(file) => Some(("credentials_file", file)),
        }
    }

    /// Reads the file as it is now.
    pub(super) fn login(&self) -> Result<NatsLogin, Unusable> {
        let Some((key, file)) = self.file() else { return Ok(NatsLogin::None) };
        let unusable = |refusal| Unusable { key, refusal };
        let line = || file.read().map_err(unusable);
        let login = match self {
            Self::None => NatsLogin::None,
            Self::Token(_) => NatsLogin::Token(line()?),
            Self::Password { username, .. } => {
                NatsLogin::Password { username: username.clone(), password: line()? }
            }
            Self::Nkey(_) => NatsLogin::Nkey(line()?),
            Self::Credentials(_) => NatsLogin::Credentials(file.read_text().map_err(unusable)?),
        };
        login
            .check()
            .map_err(|error| unusable(Refusal::new(format!("{}: {error}", file.written().display()))))?;
        Ok(login)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::config::Environment;

    /// A seed that opens nothing.
    const SEED: &str = "SUANQDPB2RUOE4ETUA26CNX7FUKE5ZZKFCQIIW63OX225F2CO7UEXTM7ZY";

    fn credentials(token: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        )
    }

    #[test]
    fn each_kind_of_login_is_what_its_file_holds_at_the_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let file = SecretFile::new(path.clone(), &Environment::of(std::collections::BTreeMap::new()));
        let write = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let user = LoginFile::Password { username: "ada".to_owned(), file: file.clone() };
        let (token, seed) = (LoginFile::Token(file.clone()), LoginFile::Nkey(file.clone()));
        let whole = LoginFile::Credentials(file);
        for (kind, texts) in [
            (&token, ["one\n".to_owned(), "two\n".to_owned()]),
            (&user, ["one\n".to_owned(), "two\n".to_owned()]),
            (&whole, [credentials("eyJ0.x.y"), credentials("eyJ0.x.z")]),
        ] {
            let logins = texts.map(|text| {
                write(&text, 0o600);
                kind.login().unwrap()
            });
            assert!(logins[0] != logins[1] && logins[1] == kind.login().unwrap(), "{kind:?}");
            let shown = format!("{logins:?}");
            assert!(!shown.contains("one") && !shown.contains("eyJ0") && !shown.contains(SEED), "{shown}");
        }
        write(&format!("{SEED}\n"), 0o600);
        assert!(matches!(seed.login(), Ok(NatsLogin::Nkey(_))));
        for (kind, text, mode, key, problem) in [
            (&token, "one\ntwo\n", 0o600, "token_file", "holds more than one line"),
            (&user, "", 0o600, "password_file", "is empty"),
            (&seed, "hunter2\n", 0o600, "nkey_seed_file", "holds no seed of a user's NKey"),
            (&whole, "hunter2\n", 0o600, "credentials_file", "is no credentials file"),
            (&whole, &"x".repeat(70_000), 0o600, "credentials_file", "has more than 65536 bytes"),
            (&whole, &credentials("eyJ0.x.y"), 0o644, "credentials_file", "is open to others"),
        ] {
            write(text, mode);
            let unusable = kind.login().unwrap_err();
            assert_eq!(unusable.key, key);
            assert!(unusable.refusal.text.contains(problem), "{unusable:?}");
            assert!(!format!("{unusable:?}").contains("hunter2"), "{unusable:?}");
        }
    }
}
