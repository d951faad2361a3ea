//! Which kind of transport failure a library's error is, and for TLS which words and which way out.
//!
//! hyper, reqwest and rustls wrap each other in private types; only the chain of causes tells them apart.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

use crate::{
    BoxError, TransportError,
    connect_budget::ConnectTimedOut,
    trust::verifier::{OtherKey, Refusal},
};

/// The name was not resolved.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct ResolveFailed(pub(crate) io::Error);

/// The handshake was refused, in words for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TlsRefused(String);

/// What a client library's error is.
pub(crate) fn classify(error: BoxError) -> TransportError {
    if find::<ResolveFailed>(&*error).is_some() {
        return TransportError::Dns(error);
    }
    if let Some(cause) = find::<rustls::Error>(&*error) {
        return refused(cause);
    }
    if let Some(ConnectTimedOut(limit)) = find::<ConnectTimedOut>(&*error) {
        return TransportError::Connect(Box::new(ConnectTimedOut(*limit)));
    }
    if find::<reqwest::Error>(&*error).is_some_and(reqwest::Error::is_connect) {
        return TransportError::Connect(error);
    }
    TransportError::Exchange(error)
}

/// A failed handshake.
pub(crate) fn tls(error: io::Error) -> TransportError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(cause) => refused(cause),
        None => TransportError::Tls(Box::new(error)),
    }
}

fn refused(cause: &rustls::Error) -> TransportError {
    let other = match cause {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<OtherKey>()
        }
        _ => None,
    };
    match other {
        Some(OtherKey(shown)) => TransportError::OtherKey { shown: *shown },
        None => TransportError::Tls(Box::new(TlsRefused(words(cause)))),
    }
}

/// The first `E` in the chain of causes; an `io::Error` hides its content one level deep.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        let hidden = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match hidden {
            Some(hidden) => Some(hidden),
            None => cause.source(),
        };
    }
    None
}

/// A TLS error, and what to do about it.
fn words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            match other.0.downcast_ref::<Refusal>() {
                Some(refusal) => refusal.0.clone(),
                None => error.to_string(),
            }
        }
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        ) => "this BMC offers only TLS that rustls does not speak (1.1 or older, RSA key exchange, CBC ciphers): upgrade \
              its firmware, or put a TLS proxy in front"
            .to_owned(),
        rustls::Error::InvalidMessage(_) => "what answers on this port does not speak TLS".to_owned(),
        _ => error.to_string(),
    }
}
