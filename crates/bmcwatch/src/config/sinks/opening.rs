//! Reading what opens a peer: headers, a login, authorities, our certificate and its key, and what is made of them.
//!
//! The same at start, at the look that notices a change, and in `check-config`. Not here: when it is read (`app::peers`).

use std::sync::Arc;

use model::Secret;
use redfish::Trust;
use reqwest::header::{HeaderName, HeaderValue};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sink::{NatsLogin, PeerAccess};

use super::peer::Opening;
use crate::{
    admin::certificate::{self, TlsError},
    config::problem::Refusal,
    logging::Chain,
};

/// What was read. Two that are equal open the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningRead {
    headers: Vec<(String, Secret)>,
    login: NatsLogin,
    authorities: Vec<u8>,
    own: Option<(Vec<u8>, Secret)>,
}

/// It cannot be used: which key of the config is to blame, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    pub(super) key: &'static str,
    /// Why, and the way out.
    pub(crate) refusal: Refusal,
}

impl From<TlsError> for Unusable {
    fn from(error: TlsError) -> Self {
        Self { key: error.key(), refusal: Refusal::new(format!("failed to {}", Chain(&error))) }
    }
}

impl Opening {
    /// Reads the files as they are now.
    pub(crate) fn read(&self) -> Result<OpeningRead, Unusable> {
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.clone(), Secret::new(value.clone()))).collect();
        for (name, file) in &self.header_files {
            let value = file.read().map_err(|refusal| Unusable { key: "headers_file", refusal })?;
            headers.push((name.clone(), value));
        }
        let login = self.login.login()?;
        let authorities = match &self.trust {
            Trust::Ca(path) => certificate::read("trust", path)?.0,
            Trust::System | Trust::Pin(_) | Trust::Tofu | Trust::Insecure => Vec::new(),
        };
        let own = match &self.own {
            Some((certificate, key)) => {
                let certificate = certificate::read("cert_file", certificate)?.0;
                Some((certificate, certificate::read_key(key)?))
            }
            None => None,
        };
        Ok(OpeningRead { headers, login, authorities, own })
    }
}

impl OpeningRead {
    /// Makes of it what a sink needs. `opening` is what it was read from.
    pub(crate) fn open(&self, opening: &Opening) -> Result<PeerAccess, Unusable> {
        let header = |(name, value): &(String, Secret)| {
            let known =
                name.parse::<HeaderName>().ok().filter(|_| HeaderValue::from_str(value.expose()).is_ok());
            let text = format!("the value of {name} holds characters that a header cannot");
            let known = known.ok_or_else(|| Unusable { key: "headers_file", refusal: Refusal::new(text) })?;
            Ok((known, value.clone()))
        };
        let headers = self.headers.iter().map(header).collect::<Result<_, Unusable>>()?;
        let own = match (&self.own, &opening.own) {
            (Some((chain, key)), Some((chain_file, key_file))) => {
                let chain: Vec<CertificateDer<'static>> =
                    certificate::certificates("cert_file", chain_file, chain)?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
                    TlsError::Nothing { key: "key_file", path: key_file.clone(), wanted: "private key" }
                })?;
                Some((chain, key))
            }
            _ => None,
        };
        let tls = redfish::tls_client(&opening.trust, &self.authorities, own).map_err(|error| Unusable {
            key: if self.own.is_some() && matches!(error, redfish::TrustError::Setup(_)) {
                "cert_file"
            } else {
                "trust"
            },
            refusal: Refusal::new(format!("failed to {}", Chain(&error))),
        })?;
        Ok(PeerAccess { headers, login: self.login.clone(), tls: Arc::new(tls) })
    }
}
