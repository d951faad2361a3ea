//! How bad a record is, in Redfish's three words and one more for what BMCs leave out.
//!
//! Not here: the many spellings that BMCs use (crate `redfish`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Severity of a record (Redfish `Health`, DSP0268 Resource), ordered from unknown to critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The BMC sent no severity, or none that we can read.
    Unknown,
    /// Informational, no action.
    Ok,
    /// Needs attention.
    Warning,
    /// Needs attention at once.
    Critical,
}

impl Severity {
    /// All of them, for tables of counters.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Ok, Self::Warning, Self::Critical];

    /// Whether it is at least so bad. One that is not known passes as a warning: it may be anything, and losing is worse.
    pub fn reaches(self, least: Self) -> bool {
        let known = if self == Self::Unknown { Self::Warning } else { self };
        known >= least
    }

    /// The word used in records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
