//! What a target of a source becomes: an endpoint, under the very rules of `[[endpoints]]`.
//!
//! A target is written down as the table that an operator would have written for it, and read as one; what is wrong is
//! then said in the words of the list. Nothing in a list is a reference to the environment: a list may come from elsewhere,
//! and must not be able to ask for variables of ours. Not here: ids that two of them have (`fleet`).

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use collect::TargetList;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Config, EndpointConfig,
    credentials::Known,
    endpoints::Setting,
    environment::Environment,
    key,
    nearest::suggest,
    problem::{Problem, Refusal},
    reader::{Reader, Table},
};

/// The instructions: the label, and the key of an endpoint that it stands for.
const INSTRUCTIONS: [(&str, &str); 3] =
    [("__bmc_id", "id"), ("__bmc_credential", "credentials"), ("__bmc_tls", "trust")];

/// What hints for the config file say, and what is written in a list instead.
const WORDS: [(&str, &str); 5] = [
    (", or auth = \"none\"", ""),
    ("add id = \"...\"", "add the label __bmc_id"),
    ("credentials = ", "__bmc_credential = "),
    ("trust = ", "__bmc_tls = "),
    ("in the config file", "in the list"),
];

/// A longer target is shown in part.
const SHOWN_CHARS_MAX: usize = 100;

/// What became of the targets of one source.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Those that can be watched.
    pub endpoints: Vec<EndpointConfig>,
    /// Why others cannot, and what should be looked at.
    pub problems: Vec<Problem>,
}

impl Config {
    /// Makes endpoints of the targets of a source. A bad target costs itself.
    pub fn resolve(&self, list: &TargetList) -> Resolved {
        let known = Known::of(&self.credentials);
        let setting = Setting::new(&known, &self.allowed_origins);
        let nothing = Environment::of(BTreeMap::new());
        let mut resolved = Resolved::default();
        for part in list.0.iter() {
            let mut reader = Reader::new(PathBuf::from(&*part.origin), "", &nothing);
            for group in part.groups.iter() {
                for target in &group.targets {
                    match endpoint(&mut reader, &setting, target, &group.labels) {
                        Some(config) if reader.problems.is_empty() => resolved.endpoints.push(config),
                        _ => {}
                    }
                    let found = reader.problems.drain(..).chain(reader.warnings.drain(..));
                    resolved.problems.extend(found.map(|problem| told(problem, target)));
                }
            }
        }
        resolved
    }
}

fn endpoint(
    reader: &mut Reader<'_>,
    setting: &Setting<'_>,
    target: &str,
    labels: &BTreeMap<String, String>,
) -> Option<EndpointConfig> {
    let target = target.trim();
    let address = if target.contains("://") { target.to_owned() } else { format!("https://{target}") };
    let (mut table, mut attached) = (DeTable::new(), DeTable::new());
    insert(&mut table, "address", &address);
    for (name, value) in labels {
        if let Some((_, key)) = INSTRUCTIONS.iter().find(|(label, _)| label == name) {
            // As in Prometheus, an empty label is none.
            if !value.is_empty() {
                insert(&mut table, key, value);
            }
        } else if name.starts_with("__bmc_") {
            let refusal = Refusal::new("no such instruction");
            let known = INSTRUCTIONS.map(|(label, _)| label);
            reader.problem(name.clone(), 0, refusal.hint(suggest(name, &known)));
        } else if !name.starts_with("__") {
            insert(&mut attached, name, value);
        }
    }
    if !attached.is_empty() {
        table.insert(spanned(Cow::Borrowed("labels")), spanned(DeValue::Table(attached)));
    }
    setting.endpoint(reader, &Table::made(&key::ENDPOINT, &table))
}

fn insert<'a>(table: &mut DeTable<'a>, key: &'a str, value: &str) {
    // What the reader takes for a reference is none.
    let value = DeValue::String(Cow::Owned(value.replace("${", "$${")));
    table.insert(spanned(Cow::Borrowed(key)), spanned(value));
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// A problem in the words of the list.
fn told(problem: Problem, target: &str) -> Problem {
    let in_list = |mut text: String| {
        for (ours, theirs) in WORDS {
            text = text.replace(ours, theirs);
        }
        text
    };
    let key = problem.key.trim_start_matches('.');
    let label = INSTRUCTIONS.iter().find(|(_, own)| *own == key).map(|(label, _)| *label);
    let label = label.or_else(|| key.strip_prefix("labels.")).or(key.starts_with("__").then_some(key));
    let label = label.map(|label| format!("{label}: ")).unwrap_or_default();
    Problem {
        place: None,
        key: format!("target {:?}", shown(target)),
        text: format!("{label}{}", problem.text),
        hint: problem.hint.map(in_list),
        ..problem
    }
}

/// A target as it may be told: without what may be a password.
fn shown(target: &str) -> String {
    let target = match target.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => target.to_owned(),
    };
    target.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
