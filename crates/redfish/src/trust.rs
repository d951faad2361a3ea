//! Which certificate of an endpoint is believed. Verification is the default.
//!
//! Here is the policy as written in the configuration; `trust/verifier` carries it out in the handshake. Not here: what
//! `tofu` has learned, which somebody else stores; to the handshake it is a pin.

pub(crate) mod verifier;

use std::{fmt, path::PathBuf, str::FromStr};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Base64 as `openssl dgst | base64` writes it; a lost `=` at the end is forgiven.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The trust policy of an endpoint, written `system`, `ca:/path`, `pin:sha256/BASE64`, `tofu` or `insecure`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// The machine's certificate store.
    #[default]
    System,
    /// The certificates in this PEM file. It may hold the BMC's own self-signed certificate; names and dates are still
    /// checked, and X.509 v1 certificates are not accepted (pin those).
    Ca(PathBuf),
    /// SHA-256 of the `SubjectPublicKeyInfo`. Works with self-signed, expired and X.509 v1 certificates: the handshake
    /// signature is verified against the raw key.
    Pin([u8; 32]),
    /// The key that was shown at first contact, and no other from then on.
    Tofu,
    /// Any certificate. It must be written out, and shows in status and metrics.
    Insecure,
}

/// Why a trust policy cannot be used; the message says what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Not one of the five forms.
    #[error(
        "{0:?} is no trust policy: write \"system\", \"ca:/path/to/ca.pem\", \"pin:sha256/<44 base64 characters>\", \"tofu\" or \"insecure\""
    )]
    NotAPolicy(String),
    /// The CA file cannot be read.
    #[error("read certificates from {}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The machine has no certificate store.
    #[error(
        "trust \"system\" finds no certificates on this machine: install its CA certificates, or write \"ca:/path/to/ca.pem\""
    )]
    NoSystemRoots,
    /// Nobody is believed under `tofu` before a key was learned and stored.
    #[error("trust \"tofu\" has learned no key yet")]
    NoKeyYet,
    /// The TLS library refuses the configuration.
    #[error("set up TLS")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl FromStr for Trust {
    type Err = TrustError;

    fn from_str(text: &str) -> Result<Self, TrustError> {
        let wrong = || TrustError::NotAPolicy(text.to_owned());
        if let Some(path) = text.strip_prefix("ca:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Ca(PathBuf::from(path))) };
        }
        if let Some(pin) = text.strip_prefix("pin:sha256/") {
            let bytes = BASE64.decode(pin).map_err(|_| wrong())?;
            return bytes.try_into().map(Self::Pin).map_err(|_| wrong());
        }
        match text {
            "system" => Ok(Self::System),
            "tofu" => Ok(Self::Tofu),
            "insecure" => Ok(Self::Insecure),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Ca(path) => write!(f, "ca:{}", path.display()),
            Self::Pin(pin) => write!(f, "pin:{}", pin_text(pin)),
            Self::Tofu => f.write_str("tofu"),
            Self::Insecure => f.write_str("insecure"),
        }
    }
}

/// A pin as operators write it behind `pin:`.
pub(crate) fn pin_text(pin: &[u8; 32]) -> String {
    format!("sha256/{}", BASE64.encode(pin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_printed_as_it_is_written() {
        let pin = format!("pin:{}", pin_text(&[7; 32]));
        for text in ["system", "ca:/etc/bmc.pem", pin.as_str(), "tofu", "insecure"] {
            assert_eq!(text.parse::<Trust>().unwrap().to_string(), text);
        }
        assert_eq!(pin.trim_end_matches('=').parse::<Trust>().unwrap(), Trust::Pin([7; 32]));
    }

    #[test]
    fn what_is_no_policy_is_refused_with_the_five_forms() {
        for text in ["", "System", "ca:", "pin:sha256/AAAA", "pin:md5/AAAA", "tofu:x"] {
            let message = text.parse::<Trust>().unwrap_err().to_string();
            assert!(message.contains("pin:sha256/<44 base64 characters>"), "{message}");
        }
    }
}
