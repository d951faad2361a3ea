//! What a certificate says of itself: for people, for the expiry metric, and for whoever remembers keys.
//!
//! Nothing here is proof of anything: whether a certificate is believed is decided in the handshake (`trust/verifier`).

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use x509_parser::{parse_x509_certificate, prelude::X509Certificate, public_key::PublicKey};

use crate::{Trust, json};

/// A name in a certificate is free text of whoever made it.
const NAME_CHARS_MAX: usize = 256;

/// The certificate of a BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub pin: [u8; 32],
    /// Whose it says to be, cleaned.
    pub subject: String,
    /// Who says to have signed it, cleaned.
    pub issuer: String,
    /// Until when it is valid.
    pub not_after: Option<DateTime<Utc>>,
    /// Subject and issuer are the same.
    pub self_signed: bool,
    /// X.509 version: 3, or 1 on old BMCs.
    pub x509_version: u32,
    /// Such as `RSA 2048` or `EC 256`.
    pub key: String,
}

/// What is noted of the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// SHA-256 of the `SubjectPublicKeyInfo`.
    pub pin: [u8; 32],
    /// Until when its certificate is valid.
    pub not_after: Option<DateTime<Utc>>,
}

/// The certificate that an endpoint showed last. Every answer comes with it, and to decode it each time would be some 7 % of
/// all instructions that it takes to connect. It is known again by a hash whose key no peer knows.
#[derive(Debug, Default)]
pub(crate) struct LastShown {
    keyed: RandomState,
    last: Mutex<Option<(u64, Option<Peer>)>>,
}

impl LastShown {
    /// The peer that shows this certificate.
    pub(crate) fn peer(&self, der: &[u8]) -> Option<Peer> {
        self.peer_by(der, Peer::decode)
    }

    fn peer_by(&self, der: &[u8], decode: impl FnOnce(&[u8]) -> Option<Peer>) -> Option<Peer> {
        let hash = self.keyed.hash_one(der);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, peer)) if *known == hash => *peer,
            _ => last.insert((hash, decode(der))).1,
        }
    }
}

impl Certificate {
    /// Reads one in DER; `None` where that is none.
    pub fn decode(der: &[u8]) -> Option<Self> {
        let parsed = parsed(der)?;
        let peer = Peer::of(&parsed);
        let name = |name: &dyn fmt::Display| json::clean(&name.to_string(), NAME_CHARS_MAX);
        let key = match parsed.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
            Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
            _ => "of another kind".to_owned(),
        };
        Some(Self {
            pin: peer.pin,
            subject: name(parsed.subject()),
            issuer: name(parsed.issuer()),
            not_after: peer.not_after,
            self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            x509_version: parsed.version().0.saturating_add(1),
            key,
        })
    }

    /// The policy that believes this key, as operators write it: `pin:sha256/...`.
    pub fn trust(&self) -> Trust {
        Trust::Pin(self.pin)
    }
}

impl Peer {
    /// Reads a certificate in DER; `None` where that is none.
    pub(crate) fn decode(der: &[u8]) -> Option<Self> {
        parsed(der).map(|certificate| Self::of(&certificate))
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        Self {
            pin: Sha256::digest(certificate.public_key().raw).into(),
            not_after: DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0),
        }
    }
}

fn parsed(der: &[u8]) -> Option<X509Certificate<'_>> {
    parse_x509_certificate(der).ok().map(|(_, certificate)| certificate)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn whoever_is_shown_now_is_told_whatever_was_shown_before() {
        let made = |_| {
            let key = KeyPair::generate().unwrap();
            CertificateParams::new(["bmc".to_owned()]).unwrap().self_signed(&key).unwrap().der().to_vec()
        };
        let [first, second] = [0, 1].map(made);
        let last = LastShown::default();
        let mut decoded = 0;
        for shown in [&first, &first, &second, &second, &first, &b"none".to_vec(), &first] {
            let decode = |der: &[u8]| {
                decoded += 1;
                Peer::decode(der)
            };
            assert_eq!(last.peer_by(shown, decode), Peer::decode(shown));
        }
        assert_eq!(decoded, 5, "two of the seven were known");
        assert_ne!(last.peer(&first).unwrap().pin, last.peer(&second).unwrap().pin);
    }
}
