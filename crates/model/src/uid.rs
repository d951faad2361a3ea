//! The name of a record: the same facts get the same uid, on every run and on every machine.
//!
//! A consumer may therefore drop a record whose uid it has had. Not here: what makes two entries the same entry
//! (`redfish::identity`) and which generation of a log they belong to (`collect::continuity`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// 128 bits in the form of a version-8 UUID (RFC 9562, 5.8), taken from SHA-256: a BMC cannot make two of its
/// entries share one on purpose and so hide the second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uid([u8; 16]);

impl Uid {
    /// The uid of a list of parts. Each part is preceded by its length, so that `["ab","c"]` and `["a","bc"]` differ.
    pub fn derive<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes[6] = 0x80 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// The 16 bytes, for a key in a store.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At once and not byte by byte: each record has one.
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0x0f)];
            at += 2;
        }
        f.write_str(str::from_utf8(&text).expect("digits and hyphens"))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a uid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a uid is 32 hexadecimal digits in the form 8-4-4-4-12")]
pub struct UidError;

impl FromStr for Uid {
    type Err = UidError;

    fn from_str(text: &str) -> Result<Self, UidError> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
        if digits.len() != 32 || text.len() != 36 {
            return Err(UidError);
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| UidError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| UidError)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Uid {
    type Error = UidError;

    fn try_from(text: String) -> Result<Self, UidError> {
        text.parse()
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> Self {
        uid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_depends_on_every_part_and_on_where_parts_end() {
        let of = |parts: &[&str]| Uid::derive(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["ab"]), of(&["ab", ""]));
    }

    #[test]
    fn a_uid_reads_back_what_it_prints_and_is_a_version_8_uuid() {
        let uid = Uid::derive([b"x".as_slice()]);
        let text = uid.to_string();
        assert_eq!(text.parse(), Ok(uid));
        assert_eq!(text.as_bytes()[14], b'8');
        assert_eq!("nonsense".parse::<Uid>(), Err(UidError));
    }
}
