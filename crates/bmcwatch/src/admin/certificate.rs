//! The TLS of the listener: read from PEM files, and read again when their content changes, so that a certificate rotates
//! without a restart.
//!
//! What counts is the content, so every way to replace a file works: in place, by rename, by the swapped link of a
//! Kubernetes Secret. Files that cannot be used change nothing and are warned about once. Not here: handshakes
//! (`server`), and what a client without a certificate may ask (`guard`).

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use model::Secret;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier},
};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{config::TlsConfig, logging::Chain};

/// How often the files are looked at. They are small, and a certificate is replaced long before it ends.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A larger file is no certificate, key or list of authorities; the list of a whole system is a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("read {}", .path.display())]
    Read { key: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is open to others (mode {mode:04o}); chmod 600, or for a Kubernetes Secret defaultMode: 0440", .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{} holds no {wanted} in PEM form", .path.display())]
    Nothing { key: &'static str, path: PathBuf, wanted: &'static str },
    #[error("use the certificate with its key")]
    Pair(#[source] rustls::Error),
    #[error("use the authorities of clients")]
    Authorities(#[source] VerifierBuilderError),
    #[error("use {} as an authority", .path.display())]
    Authority { path: PathBuf, source: rustls::Error },
}

impl TlsError {
    /// The key of the config that is to blame.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Read { key, .. } | Self::Nothing { key, .. } => key,
            Self::Open { .. } => "key_file",
            Self::Pair(_) => "cert_file",
            Self::Authorities(_) | Self::Authority { .. } => "client_ca_file",
        }
    }
}

/// What the files hold.
struct Content {
    certificate: Vec<u8>,
    key: Secret,
    authorities: Option<Vec<u8>>,
}

impl Content {
    fn read(files: &TlsConfig) -> Result<Self, TlsError> {
        let certificate = read("cert_file", &files.cert_file)?.0;
        let key = read_key(&files.key_file)?;
        let authorities = files.client_ca_file.as_deref().map(|path| read("client_ca_file", path));
        Ok(Self { certificate, key, authorities: authorities.transpose()?.map(|(bytes, ..)| bytes) })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [&self.certificate[..], self.key.expose().as_bytes()]
            .into_iter()
            .chain(self.authorities.as_deref())
        {
            digest.update(Sha256::digest(part));
        }
        digest.finalize().into()
    }

    fn server(&self, files: &TlsConfig) -> Result<ServerConfig, TlsError> {
        let chain = certificates("cert_file", &files.cert_file, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).map_err(|_| {
            TlsError::Nothing { key: "key_file", path: files.key_file.clone(), wanted: "private key" }
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3");
        let builder = match (&self.authorities, &files.client_ca_file) {
            (Some(bytes), Some(path)) => builder.with_client_cert_verifier(clients(bytes, path, provider)?),
            _ => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(TlsError::Pair)?;
        // A resumed session is not checked again: a certificate that has ended or is no longer believed would live on.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(server)
    }
}

/// Believes certificates of these authorities; who has none gets through the handshake, because probes have none.
fn clients(
    bytes: &[u8],
    path: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates("client_ca_file", path, bytes)? {
        roots.add(authority).map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(TlsError::Authorities)
}

/// The bytes of a file, its mode and its owner.
pub(crate) fn read(key: &'static str, path: &Path) -> Result<(Vec<u8>, u32, u32), TlsError> {
    let failed = |source| TlsError::Read { key, path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        let text = format!("not a regular file of at most {FILE_BYTES_MAX} bytes");
        return Err(failed(io::Error::other(text)));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, metadata.mode() & 0o777, metadata.uid()))
}

/// A private key, in a file that others cannot read.
pub(crate) fn read_key(path: &Path) -> Result<Secret, TlsError> {
    let (key, mode, owner) = read("key_file", path)?;
    if crate::config::is_open_to_others(mode, owner) {
        return Err(TlsError::Open { path: path.to_owned(), mode });
    }
    // What is no text holds no key, which is noticed when it is used.
    Ok(Secret::new(String::from_utf8(key).unwrap_or_default()))
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(
    key: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let nothing = || TlsError::Nothing { key, path: path.to_owned(), wanted: "certificate" };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(nothing)
}

/// Checks the files without using them.
pub(crate) fn check(files: &TlsConfig) -> Result<(), TlsError> {
    Content::read(files)?.server(files).map(drop)
}

/// The first certificate of a PEM file: the listener's own.
pub(crate) fn first(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    Ok(certificates("cert_file", path, &read("cert_file", path)?.0)?.swap_remove(0))
}

/// The files, and what they were good for last.
pub(super) struct Certificate {
    files: TlsConfig,
    digest: [u8; 32],
    /// What has been said about files that cannot be used.
    complaint: Option<String>,
    current: watch::Sender<Arc<ServerConfig>>,
}

impl Certificate {
    /// Reads the files.
    pub(super) fn load(files: TlsConfig) -> Result<Self, TlsError> {
        let content = Content::read(&files)?;
        let current = watch::Sender::new(Arc::new(content.server(&files)?));
        Ok(Self { digest: content.digest(), files, complaint: None, current })
    }

    /// What new connections are to use, now and later.
    pub(super) fn current(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.current.subscribe()
    }

    /// Looks at the files until `stop`.
    pub(super) async fn follow(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let look = move || {
                self.look();
                self
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(same) => self = same,
                // The runtime ends, or looking panicked: what is in use stays in use.
                Err(error) => {
                    warn!(error = %error, "the admin certificate is no longer followed");
                    return;
                }
            }
        }
    }

    fn look(&mut self) {
        let read = Content::read(&self.files);
        let usable = read.and_then(|content| {
            let digest = content.digest();
            let server = (digest != self.digest).then(|| content.server(&self.files));
            Ok(server.transpose()?.map(|server| (digest, server)))
        });
        match usable {
            Ok(changed) => {
                self.complaint = None;
                if let Some((digest, server)) = changed {
                    self.digest = digest;
                    self.current.send_replace(Arc::new(server));
                    info!("the admin certificate has changed; new connections use it");
                }
            }
            Err(error) => {
                let complaint = Chain(&error).to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    warn!(error = %complaint, "the admin certificate cannot be replaced; the old one stays in use");
                    self.complaint = Some(complaint);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;

    /// A certificate and its key, as PEM.
    fn issue() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["bmcwatch.example".to_owned()]).unwrap();
        (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn write(directory: &Path, certificate: &str, key: &str) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("tls.crt"), certificate).unwrap();
        fs::write(directory.join("tls.key"), key).unwrap();
        fs::set_permissions(directory.join("tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn files(directory: &Path) -> TlsConfig {
        let [cert_file, key_file] = ["tls.crt", "tls.key"].map(|name| directory.join(name));
        TlsConfig { cert_file, key_file, client_ca_file: None }
    }

    fn begin() -> (TempDir, Certificate) {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = issue();
        write(directory.path(), &certificate, &key);
        let loaded = Certificate::load(files(directory.path())).unwrap();
        (directory, loaded)
    }

    /// Whether a look changes what new connections use.
    fn changes(certificate: &mut Certificate) -> bool {
        let before = Arc::clone(&certificate.current.borrow());
        certificate.look();
        !Arc::ptr_eq(&before, &certificate.current.borrow())
    }

    #[test]
    fn what_is_used_changes_with_the_content_and_only_with_it() {
        let (directory, mut certificate) = begin();
        assert!(!changes(&mut certificate));
        let same = fs::read(directory.path().join("tls.crt")).unwrap();
        fs::write(directory.path().join("tls.crt"), same).unwrap();
        assert!(!changes(&mut certificate));
        let (new, key) = issue();
        write(directory.path(), &new, &key);
        assert!(changes(&mut certificate));
        assert!(!changes(&mut certificate));
    }

    #[test]
    fn the_swapped_link_of_a_kubernetes_secret_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for version in ["..1", "..2"] {
            let (certificate, key) = issue();
            write(&at(version), &certificate, &key);
        }
        symlink("..1", at("..data")).unwrap();
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), at(name)).unwrap();
        }
        let mut certificate = Certificate::load(files(directory.path())).unwrap();
        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(changes(&mut certificate));
    }

    #[test]
    fn files_that_cannot_be_used_change_nothing_and_good_ones_do_again() {
        let (directory, mut certificate) = begin();
        let at = |name: &str| directory.path().join(name);
        let (new, key) = issue();
        let bad: [(&str, &dyn Fn()); 5] = [
            ("read", &|| fs::remove_file(at("tls.crt")).unwrap()),
            ("holds no certificate", &|| write(directory.path(), "", &key)),
            ("holds no private key", &|| write(directory.path(), &new, "no key")),
            ("use the certificate with its key", &|| write(directory.path(), &new, &issue().1)),
            ("open to others", &|| {
                write(directory.path(), &new, &key);
                fs::set_permissions(at("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
            }),
        ];
        for (said, spoil) in bad {
            spoil();
            assert!(!changes(&mut certificate), "{said}");
            let complaint = certificate.complaint.clone().unwrap();
            assert!(complaint.contains(said) && !complaint.contains("PRIVATE"), "{complaint}");
        }
        write(directory.path(), &new, &key);
        assert!(changes(&mut certificate));
        assert_eq!(certificate.complaint, None);
    }
}
