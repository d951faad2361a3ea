//! `[credentials.NAME]`: logins, with passwords by reference, and the endpoints that they are for.
//!
//! Not here: files of passwords (`secret_file`), which of several logins fits an endpoint best (`matching`).

use model::Secret;
use redfish::Login;

use super::{
    environment::Environment,
    key,
    matching::{self, Match},
    path,
    problem::Refusal,
    reader::{Reader, Table},
    secret_file::SecretFile,
};

/// One login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The NAME that endpoints refer to.
    pub name: String,
    /// User and password.
    pub login: Login,
    /// Where the password came from.
    pub source: PasswordSource,
    /// The endpoints that need not name it.
    pub matches: Option<Match>,
}

/// Where a password came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// This file.
    File(SecretFile),
    /// This environment variable.
    Variable(String),
    /// The config file itself.
    Inline,
}

/// What stands in the file: the usable logins, the names of all, and all matches, so that one mistake makes no second one.
pub(super) struct Known {
    pub(super) list: Vec<Credentials>,
    pub(super) names: Vec<String>,
    pub(super) matches: Vec<(String, Match)>,
}

impl Known {
    /// What a config without problems knows.
    pub(super) fn of(list: &[Credentials]) -> Self {
        Self {
            list: list.to_vec(),
            names: list.iter().map(|one| one.name.clone()).collect(),
            matches: list.iter().filter_map(|one| Some((one.name.clone(), one.matches.clone()?))).collect(),
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> Known {
    let mut known = Known { list: Vec::new(), names: Vec::new(), matches: Vec::new() };
    for (name, table) in top.named_tables(reader, "credentials", &key::CREDENTIALS) {
        let matches = matching::read(reader, &table);
        known.matches.extend(matches.clone().map(|matches| (name.clone(), matches)));
        known.names.push(name.clone());
        let username = username(reader, &table);
        let password = password(reader, &table);
        if let (Some(username), Some((password, source))) = (username, password) {
            known.list.push(Credentials { name, login: Login { username, password }, source, matches });
        }
    }
    known
}

fn username(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<String> {
    if !table.has("username") {
        table
            .table_problem(reader, Refusal::new("a login without a username").hint("add username = \"...\""));
    }
    table.read(reader, "username", |text| match text {
        "" => Err(Refusal::new("the username is empty")),
        // Basic authentication separates user and password by the first colon.
        _ if text.contains(':') => Err(Refusal::new("a username cannot hold a colon")),
        _ => Ok(text.to_owned()),
    })
}

fn password(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<(Secret, PasswordSource)> {
    let given: Vec<&str> =
        ["password_file", "password_env", "password"].into_iter().filter(|key| table.has(key)).collect();
    match given[..] {
        ["password_file"] => {
            let written = table.read(reader, "password_file", path)?;
            let file = SecretFile::new(written, reader.environment);
            let password = secret(reader, table, "password_file", |_| file.read())?;
            Some((password, PasswordSource::File(file)))
        }
        ["password_env"] => {
            let variable = table.text(reader, "password_env")?;
            let password =
                secret(reader, table, "password_env", |environment| from_variable(&variable, environment))?;
            Some((password, PasswordSource::Variable(variable)))
        }
        [_] => {
            let password = table.secret(reader, "password")?;
            if password.expose().is_empty() {
                table.problem(reader, "password", Refusal::new("the password is empty"));
                return None;
            }
            let warning = Refusal::new("a password in the config file: whoever reads the file has it");
            table.warning(
                reader,
                "password",
                warning.hint("put it into a file of its own and name it with password_file"),
            );
            Some((password, PasswordSource::Inline))
        }
        [] => {
            let refusal = Refusal::new("a login without a password");
            table.table_problem(
                reader,
                refusal.hint("add password_file = \"/path\" or password_env = \"NAME\""),
            );
            None
        }
        [_, second, ..] => {
            let refusal =
                Refusal::new(format!("two passwords for one login: {} are given", given.join(" and ")));
            table.problem(reader, second, refusal.hint("keep one of them"));
            None
        }
    }
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
