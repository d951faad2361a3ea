//! The certificate check of the TLS handshake, one verifier for all policies (`tofu` is a pin here), with refusals that say the way out.
//!
//! The handshake signature is always verified, so that a copied certificate proves nothing; under `pin` and `insecure`
//! against the raw key, because rustls reads no X.509 v1 certificate. Exception: `insecure` and RSA keys below 2048 bits,
//! which no algorithm of ours verifies. A resumed session skips the certificate check, so a TLS configuration (and its
//! session store) belongs to one policy.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{
        CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
    },
    server::ParsedCertificate,
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::{parse_x509_certificate, prelude::X509Certificate, public_key::PublicKey};

use super::pin_text;

/// Smallest RSA key that ring verifies.
const RSA_BITS_MIN: usize = 2048;

/// Why a certificate was refused, in words for the operator.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// Another key than the pinned one was shown.
#[derive(Debug, thiserror::Error)]
#[error("the certificate has pin {}, not the configured one", pin_text(&self.0))]
pub(crate) struct OtherKey(pub(crate) [u8; 32]);

#[derive(Debug)]
enum Policy {
    Roots { chains: Arc<WebPkiServerVerifier>, own: Vec<CertificateDer<'static>> },
    Pin([u8; 32]),
    Any,
}

/// Carries out a trust policy.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    policy: Policy,
}

impl Verifier {
    /// Believes chains to these certificates, and these certificates themselves: most BMCs present a self-signed one, and
    /// those marked as CA are refused by the chain check as end entities.
    pub(crate) fn roots(
        provider: Arc<CryptoProvider>,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let chains =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
        Ok(Self { provider, policy: Policy::Roots { chains, own: certificates } })
    }

    /// Believes one key.
    pub(crate) fn pin(provider: Arc<CryptoProvider>, pin: [u8; 32]) -> Self {
        Self { provider, policy: Policy::Pin(pin) }
    }

    /// Believes everybody.
    pub(crate) fn any(provider: Arc<CryptoProvider>) -> Self {
        Self { provider, policy: Policy::Any }
    }

    fn raw_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = spki(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(spki.as_slice());
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| bad_key())?;
        let mapping = self.provider.signature_verification_algorithms.mapping;
        let algorithms =
            mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme).flat_map(|(_, all)| *all);
        for algorithm in algorithms {
            if key.verify_signature(*algorithm, message, signed.signature()).is_ok() {
                return Ok(HandshakeSignatureValid::assertion());
            }
        }
        Err(bad_key())
    }

    fn raw_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = spki(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(spki.as_slice());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, algorithms).map_err(|_| bad_key())
    }

    /// Whether the policy lets a signature pass unverified because nothing of ours can verify it.
    fn passes_unverified(&self, certificate: &CertificateDer<'_>) -> bool {
        matches!(self.policy, Policy::Any) && !can_verify(certificate)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.policy {
            Policy::Any => Ok(ServerCertVerified::assertion()),
            Policy::Pin(pin) => match pin_of(certificate)? {
                seen if seen == *pin => Ok(ServerCertVerified::assertion()),
                seen => Err(CertificateError::Other(OtherError(Arc::new(OtherKey(seen)))).into()),
            },
            Policy::Roots { own, .. } if own.iter().any(|known| known == certificate) => {
                check_own(certificate, name, now).map_err(|error| explain(error, certificate, name))
            }
            Policy::Roots { chains, .. } => chains
                .verify_server_cert(certificate, intermediates, name, ocsp, now)
                .map_err(|error| explain(error, certificate, name)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.policy {
            _ if self.passes_unverified(certificate) => Ok(HandshakeSignatureValid::assertion()),
            Policy::Roots { .. } => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls12_signature(message, certificate, signed, algorithms)
            }
            Policy::Pin(_) | Policy::Any => self.raw_tls12(message, certificate, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.policy {
            _ if self.passes_unverified(certificate) => Ok(HandshakeSignatureValid::assertion()),
            Policy::Roots { .. } => {
                let algorithms = &self.provider.signature_verification_algorithms;
                verify_tls13_signature(message, certificate, signed, algorithms)
            }
            Policy::Pin(_) | Policy::Any => self.raw_tls13(message, certificate, signed),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A certificate that stands in the CA file itself: its name and dates must hold, as for any other.
fn check_own(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed(certificate)?.tbs_certificate.validity;
    if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired.into())
    } else if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet.into())
    } else {
        Ok(ServerCertVerified::assertion())
    }
}

/// The certificate error in words, with the pin that would accept this certificate.
fn explain(error: Error, certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Error {
    let Error::InvalidCertificate(cause) = &error else { return error };
    let Ok(pin) = pin_of(certificate) else { return error };
    let pin = format!("\"pin:{}\"", pin_text(&pin));
    let text = match cause {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!(
                "the certificate is not for {}: use the name in it as address, or trust = {pin}",
                name.to_str()
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate has expired: renew it, or set trust = {pin}, which ignores dates")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!(
                "the certificate is not valid yet: check both clocks, or set trust = {pin}, which ignores dates"
            )
        }
        _ if is_v1(certificate) => {
            format!("the certificate is X.509 v1, which can only be pinned: trust = {pin}")
        }
        // A bad signature here is the chain's: another certificate of ours has the name of this one's issuer.
        CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_) => {
            format!(
                "not signed by a certificate we trust: set trust = \"ca:/path\" or {pin} (compare it with the BMC's own first)"
            )
        }
        _ => return error,
    };
    refusal(text)
}

fn is_v1(certificate: &CertificateDer<'_>) -> bool {
    parsed(certificate).is_ok_and(|certificate| certificate.tbs_certificate.version().0 == 0)
}

/// SHA-256 of the certificate's `SubjectPublicKeyInfo`.
pub(crate) fn pin_of(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Error> {
    Ok(Sha256::digest(spki(certificate)?).into())
}

fn spki(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    Ok(parsed(certificate)?.tbs_certificate.subject_pki.raw.to_vec())
}

fn can_verify(certificate: &CertificateDer<'_>) -> bool {
    let Ok(certificate) = parsed(certificate) else { return false };
    match certificate.tbs_certificate.subject_pki.parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() >= RSA_BITS_MIN,
        Ok(PublicKey::EC(_) | PublicKey::Unknown(_)) => true,
        _ => false,
    }
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    match parse_x509_certificate(certificate) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(CertificateError::BadEncoding.into()),
    }
}

fn bad_key() -> Error {
    refusal(
        "the handshake is not signed by the certificate's key, or the key is one that rustls does not verify \
         (RSA below 2048 bits): replace the certificate, or put a TLS proxy in front"
            .to_owned(),
    )
}

fn refusal(text: String) -> Error {
    CertificateError::Other(OtherError(Arc::new(Refusal(text)))).into()
}
