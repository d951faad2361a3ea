//! Lists of targets as sources hold them: Prometheus' JSON, groups of addresses with labels in common.
//!
//! Not here: what an endpoint a target becomes (the program's config has logins and trust), reading (`file_source`,
//! `http_source`).

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// The largest list in bytes, of a file or of an answer: 10,000 targets in groups of their own with ten labels each are
/// 5 MiB. More is the wrong file, and would be held in memory.
pub(crate) const LIST_BYTES_MAX: usize = 64 << 20;

/// The most targets of one source: ten times the fleet that one process is made for. More is a mistake of whoever makes
/// the list, and each would become a collector.
pub(crate) const TARGETS_MAX: usize = 100_000;

/// A complaint about a list needs no more; the parser may quote what it did not expect.
const COMPLAINT_CHARS_MAX: usize = 300;

/// Targets with labels in common. Keys that are not known are refused: `target` for `targets` would be an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetGroup {
    /// Addresses, with or without a scheme.
    pub targets: Vec<String>,
    /// Labels; those beginning with `__` are instructions.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// What one file or one answer holds.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
pub struct TargetPart {
    /// The file or the address that it came from.
    pub origin: Arc<str>,
    /// In its order.
    pub groups: Arc<[TargetGroup]>,
}

/// What one source holds: the parts in the order of their files. Cheap to clone.
#[derive(Debug, Clone, Default, Eq, Serialize, Deserialize)]
pub struct TargetList(pub Arc<[TargetPart]>);

// Files are looked at every two seconds: what is the same value need not be compared target by target.
impl PartialEq for TargetPart {
    fn eq(&self, other: &Self) -> bool {
        self.origin == other.origin
            && (Arc::ptr_eq(&self.groups, &other.groups) || self.groups == other.groups)
    }
}

impl PartialEq for TargetList {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl TargetList {
    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.0.iter().map(|part| count(&part.groups)).sum()
    }
}

/// A list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetListError {
    /// It is not what Prometheus writes.
    #[error(
        "read it as a list such as [{{\"targets\": [\"10.0.17.12\"], \"labels\": {{\"rack\": \"r17\"}}}}]: {0}"
    )]
    NotAList(String),
    /// It is too long.
    #[error("read its targets: they are {0}, and at most {TARGETS_MAX} are taken")]
    TooMany(usize),
}

fn count(groups: &[TargetGroup]) -> usize {
    groups.iter().map(|group| group.targets.len()).sum()
}

/// Reads a list.
pub(crate) fn parse(bytes: &[u8]) -> Result<Arc<[TargetGroup]>, TargetListError> {
    let groups: Vec<TargetGroup> = serde_json::from_slice(bytes).map_err(|error| {
        TargetListError::NotAList(error.to_string().chars().take(COMPLAINT_CHARS_MAX).collect())
    })?;
    match count(&groups) {
        targets if targets > TARGETS_MAX => Err(TargetListError::TooMany(targets)),
        _ => Ok(groups.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_reads_is_read() {
        for (text, expected) in [
            ("[]", 0),
            (r#"[{"targets": []}]"#, 0),
            (
                r#"[{"targets": ["10.0.0.1", "[fd00::1]:8443"], "labels": {"rack": "r17", "__bmc_id": ""}}]"#,
                2,
            ),
            (r#"[{"labels": {}, "targets": ["a"]}, {"targets": ["b"]}]"#, 2),
        ] {
            assert_eq!(count(&parse(text.as_bytes()).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_place() {
        for (text, part) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{}", "invalid type: map, expected a sequence at line 1 column 0"),
            ("[{\"targets\":\n[\"a\"", "line 2 column 4"),
            (r#"[{"target": ["a"]}]"#, "unknown field `target`"),
            (r#"[{"labels": {}}]"#, "missing field `targets`"),
            (r#"[{"targets": ["a"], "labels": {"n": 1}}]"#, "expected a string at line 1"),
            (r#"["10.0.0.1"]"#, "invalid type: string"),
            ("- targets: [a]", "at line 1 column 2"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let long = format!("[\"{}\"]", "x".repeat(10_000));
        assert!(parse(long.as_bytes()).unwrap_err().to_string().len() < 500);
    }

    #[test]
    fn more_targets_than_any_fleet_are_refused() {
        let list = |targets| format!("[{{\"targets\": [{}]}}]", vec!["\"a\""; targets].join(","));
        assert!(parse(list(TARGETS_MAX).as_bytes()).is_ok());
        let error = parse(list(TARGETS_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(error, TargetListError::TooMany(TARGETS_MAX + 1));
    }
}
