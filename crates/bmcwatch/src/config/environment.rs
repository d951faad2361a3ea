//! What config takes from the machine: environment variables, and `${NAME}` inside string values.
//!
//! Substitution happens after parsing, inside one string, so that a variable can never add a key or a table. Secret
//! files are read by `credentials`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::problem::Refusal;

/// The variables that config may ask for, and whether the machine is the one that the config is for.
pub struct Environment {
    lookup: Box<Lookup>,
    machine: Machine,
}

/// Answers with the value of a variable.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Whether secrets and variables are expected to be at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Machine {
    /// This one: a secret that cannot be read is a problem.
    This,
    /// Another one: secrets are not read, and an unset variable is no problem.
    Another,
}

/// Stands for an unset variable where that is no problem. It is a valid id, label and host name.
const UNSET: &str = "unset";

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let lookup = |name: &str| std::env::var(name).ok();
        Self { lookup: Box::new(lookup), machine: Machine::This }
    }

    /// These variables and no others.
    pub fn of(variables: BTreeMap<String, String>) -> Self {
        Self { lookup: Box::new(move |name| variables.get(name).cloned()), machine: Machine::This }
    }

    /// The same variables, for a check away from the machine that the config is for: secrets are not read, and stay
    /// empty; an unset variable reads as `unset`.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        Self { machine: Machine::Another, ..self }
    }

    /// Whether secrets are read at all.
    pub(crate) fn has_secrets(&self) -> bool {
        self.machine == Machine::This
    }

    /// The value of a variable; an empty one counts as set.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// Where systemd puts the credentials of this service.
    pub(crate) fn credentials_directory(&self) -> Option<PathBuf> {
        self.get("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; `$${` is a literal `${`. What is put in is not looked at again.
    pub(crate) fn substitute(&self, text: &str) -> Result<String, Refusal> {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if let Some(before) = rest[..start].strip_suffix('$') {
                result.push_str(before);
                result.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            result.push_str(&rest[..start]);
            let Some(end) = rest[start..].find('}') else {
                return Err(Refusal::new("`${` without its `}`")
                    .hint("write `$${` for the two characters themselves"));
            };
            result.push_str(&self.variable(&rest[start + 2..start + end])?);
            rest = &rest[start + end + 1..];
        }
        result.push_str(rest);
        Ok(result)
    }

    fn variable(&self, reference: &str) -> Result<String, Refusal> {
        let (name, default) = match reference.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (reference, None),
        };
        if !is_variable_name(name) {
            // Not quoted: it may be a part of a password.
            return Err(Refusal::new("`${...}` does not name an environment variable")
                .hint("letters, digits and underscores; write `$${` for the two characters themselves"));
        }
        let value = self.get(name);
        // As in a shell, `:-` also replaces an empty value.
        match (value, default) {
            (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
            (Some(value), _) => Ok(value),
            (None, Some(default)) => Ok(default.to_owned()),
            (None, None) if self.machine == Machine::Another => Ok(UNSET.to_owned()),
            (None, None) => Err(Refusal::new(format!("the environment variable {name} is not set"))
                .hint(format!("set it, or give a default: `${{{name}:-default}}`"))),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("machine", &self.machine).finish_non_exhaustive()
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, String> {
        let pairs = [("NODE", "n1"), ("EMPTY", ""), ("NESTED", "${NODE}")];
        let variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Environment::of(variables.into()).substitute(text).map_err(|refusal| refusal.text)
    }

    #[test]
    fn variables_are_replaced_once_and_only_where_they_are_written() {
        assert_eq!(check("a-${NODE}-${NODE}"), Ok("a-n1-n1".to_owned()));
        assert_eq!(check("${NESTED}"), Ok("${NODE}".to_owned()));
        assert_eq!(check("$NODE $ {} $${NODE}"), Ok("$NODE $ {} ${NODE}".to_owned()));
    }

    #[test]
    fn a_default_serves_for_an_unset_and_for_an_empty_variable() {
        assert_eq!(check("${NO:-x}${EMPTY:-y}${EMPTY}${NO:-}"), Ok("xy".to_owned()));
    }

    #[test]
    fn an_unset_variable_is_called_by_its_name() {
        assert_eq!(check("${NO}"), Err("the environment variable NO is not set".to_owned()));
        assert_eq!(check("${a b}"), Err("`${...}` does not name an environment variable".to_owned()));
        assert_eq!(check("x${NODE"), Err("`${` without its `}`".to_owned()));
    }
}
