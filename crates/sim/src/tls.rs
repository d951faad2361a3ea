//! The TLS side of a fleet: one certificate authority made for the fleet, one key for all its BMCs, and one
//! certificate for each group of addresses. Client certificates are not asked for.

use std::{io, net::Ipv4Addr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

/// Addresses in one certificate: few enough that a handshake stays as small as with a real BMC.
pub(crate) const ADDRESSES_PER_CERTIFICATE: usize = 32;

/// The authority of one fleet and the key of its BMCs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    key: KeyPair,
    ca_pem: String,
}

impl Authority {
    pub(crate) fn new() -> io::Result<Self> {
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "simulated BMCs");
        let ca_pem = params.self_signed(&ca_key).map_err(io::Error::other)?.pem();
        Ok(Self { issuer: Issuer::new(params, ca_key), key, ca_pem })
    }

    pub(crate) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// SHA-256 of the BMCs' public key (SPKI), in base64.
    pub(crate) fn pin(&self) -> String {
        STANDARD.encode(Sha256::digest(self.key.subject_public_key_info()))
    }

    /// The configuration of BMCs at these addresses; only HTTP/1.1 is offered.
    pub(crate) fn server(&self, addresses: &[Ipv4Addr]) -> io::Result<Arc<ServerConfig>> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "simulated BMC");
        params.subject_alt_names = addresses.iter().map(|&ip| SanType::IpAddress(ip.into())).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&self.key, &self.issuer).map_err(io::Error::other)?;
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
