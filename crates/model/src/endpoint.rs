//! An endpoint: one BMC's Redfish service, under an id that stays when its address changes.
//!
//! Not here: how to reach it or log in (crate `redfish`), where it was found (crate `collect`).

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest id. It is a metric label and a column in tables; more is a mistake in the inventory.
const ENDPOINT_ID_BYTES_MAX: usize = 253;

/// The stable id of an endpoint, at most 253 bytes, without control characters or blanks.
///
/// Cheap to clone: it is shared by the slot, the status board and every record in flight.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId(Arc<str>);

/// Why a text cannot be an endpoint id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointIdError {
    /// An empty id names nothing.
    #[error("an endpoint id must not be empty")]
    Empty,
    /// Longer than 253 bytes.
    #[error("an endpoint id has at most {ENDPOINT_ID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Blanks and control characters would break tables, labels and log lines.
    #[error("an endpoint id has no blanks or control characters, this one has {0:?}")]
    BadCharacter(char),
}

impl EndpointId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for EndpointId {
    type Error = EndpointIdError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err(EndpointIdError::Empty);
        }
        if text.len() > ENDPOINT_ID_BYTES_MAX {
            return Err(EndpointIdError::TooLong(text.len()));
        }
        if let Some(bad) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(EndpointIdError::BadCharacter(bad));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for EndpointId {
    type Error = EndpointIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(text.as_str())
    }
}

impl From<EndpointId> for String {
    fn from(id: EndpointId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// What every record says of the endpoint it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The stable id.
    pub id: EndpointId,
    /// The base address as the operator wrote it, such as `https://10.0.17.12`.
    pub address: String,
    /// Free labels of the operator: rack, row, site.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_would_break_a_table_or_a_label_is_refused() {
        assert_eq!(EndpointId::try_from(""), Err(EndpointIdError::Empty));
        assert_eq!(EndpointId::try_from("a b"), Err(EndpointIdError::BadCharacter(' ')));
        assert_eq!(EndpointId::try_from("a\n"), Err(EndpointIdError::BadCharacter('\n')));
        assert_eq!(EndpointId::try_from("x".repeat(254).as_str()), Err(EndpointIdError::TooLong(254)));
        assert_eq!(EndpointId::try_from("r17-u12").unwrap().as_str(), "r17-u12");
    }
}
