//! Asking the running daemon: where its admin listener is and which certificate it has say the config file, who asks say
//! the options of the command.
//!
//! Believed is exactly the certificate that stands in `admin.tls.cert_file`, whoever issued it and whatever name is in it:
//! the daemon on this machine is asked by its address. Not here: what is asked, and how it is shown.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use model::Secret;
use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use serde::Deserialize;

use crate::{
    admin::certificate,
    config::{self, AdminConfig, TlsConfig},
};

/// The daemon answers from memory; more means that it is not there.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// What is followed has no end; a new connection once a day costs nothing.
const FOLLOW_MAX: Duration = Duration::from_hours(24);

/// How to log in to the daemon's admin listener, where it asks for that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Access {
    /// The user, where the daemon's admin listener asks for a login
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub username: Option<String>,
    /// The file with the user's password, closed to others
    #[arg(long, value_name = "PATH", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// The client certificate (PEM), where the daemon's admin listener asks for one
    #[arg(long, value_name = "PATH", requires = "key_file")]
    pub cert_file: Option<PathBuf>,
    /// The key of the client certificate (PEM)
    #[arg(long, value_name = "PATH", requires = "cert_file")]
    pub key_file: Option<PathBuf>,
}

/// A way to ask the daemon.
pub struct AdminClient {
    http: reqwest::Client,
    base: String,
    login: Option<(String, Secret)>,
}

/// What the daemon says where it refuses.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

impl AdminClient {
    /// Reads what the config and the options name; asks nothing yet.
    pub fn new(config: &AdminConfig, access: &Access) -> anyhow::Result<Self> {
        // Without TLS the client is not built without a provider either. Another one in place is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(ANSWER_MAX);
        let mut scheme = "http";
        if let Some(tls) = &config.tls {
            scheme = "https";
            http = http.tls_backend_preconfigured(client_tls(tls, access)?);
        }
        let login = match (&access.username, &access.password_file) {
            (Some(user), Some(path)) => Some((user.clone(), password(path)?)),
            _ => None,
        };
        let address = SocketAddr::new(reachable(config.listen.ip()), config.listen.port());
        Ok(Self { http: http.build()?, base: format!("{scheme}://{address}"), login })
    }

    /// The daemon's answer to a GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        self.answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// The daemon's answer to a GET of a page of a list, whose path may hold names.
    pub async fn get_after(&self, path: &[&str], after: u64, limit: u32) -> anyhow::Result<Bytes> {
        let mut url = self.url(path)?;
        url.set_query(Some(&format!("after={after}&limit={limit}")));
        self.answer(self.http.get(url)).await
    }

    /// The daemon's answer to a wish about one endpoint.
    pub async fn post_endpoint(&self, id: &str, wish: &str) -> anyhow::Result<Bytes> {
        let url = self.url(&["api", "v1", "endpoints", id, wish])?;
        self.answer(self.http.post(url)).await
    }

    /// A name may hold characters that a path may not.
    fn url(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = Url::parse(&self.base)?;
        let segments = url.path_segments_mut();
        let mut segments = segments.map_err(|()| anyhow::anyhow!("{} has no paths", self.base))?;
        segments.extend(path);
        drop(segments);
        Ok(url)
    }

    /// What the daemon sends as it comes, after the event with this id.
    pub async fn follow(&self, path: &str, last: Option<&str>) -> anyhow::Result<Response> {
        let mut request = self.http.get(format!("{}{path}", self.base)).timeout(FOLLOW_MAX);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        self.ask(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Bytes> {
        let answer = self.ask(request).await?;
        answer.bytes().await.with_context(|| format!("read the answer of the daemon at {}", self.base))
    }

    /// An answer that is a success, its body yet to be read.
    async fn ask(&self, mut request: RequestBuilder) -> anyhow::Result<Response> {
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password.expose()));
        }
        let base = &self.base;
        let answer =
            request.send().await.with_context(|| format!("ask the daemon at {base}; is it running?"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body =
            answer.bytes().await.with_context(|| format!("read the answer of the daemon at {base}"))?;
        let why =
            serde_json::from_slice(&body).map_or(String::new(), |Problem { error }| format!(": {error}"));
        let way_out = match (status, &self.login) {
            (StatusCode::UNAUTHORIZED, None) => "; give --username and --password-file",
            (StatusCode::UNAUTHORIZED, Some(_)) => "; the user or the password is wrong",
            _ => "",
        };
        bail!("the daemon at {base} answered {status}{why}{way_out}")
    }
}

/// A path with parameters, escaped as they must be.
pub(crate) fn path_with<'a>(
    path: &str,
    parameters: impl IntoIterator<Item = &'a (&'static str, String)>,
) -> anyhow::Result<String> {
    // Only a whole URL can be built; its beginning is of no matter.
    let mut url = Url::parse("http://localhost")?;
    url.set_path(path);
    url.query_pairs_mut().extend_pairs(parameters);
    Ok(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}

fn password(path: &Path) -> anyhow::Result<Secret> {
    let path = std::path::absolute(path)?;
    config::secret_file(&path).map_err(|why| anyhow::anyhow!("read the password: {why}"))
}

fn client_tls(tls: &TlsConfig, access: &Access) -> anyhow::Result<ClientConfig> {
    let certificate = certificate::first(&tls.cert_file).context("know the daemon by admin.tls.cert_file")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Exactly { certificate, provider }));
    let (Some(cert_file), Some(key_file)) = (&access.cert_file, &access.key_file) else {
        return Ok(builder.with_no_client_auth());
    };
    let read = |path: &Path| format!("read {}", path.display());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(cert_file).with_context(|| read(cert_file))?.collect();
    let chain = chain.with_context(|| read(cert_file))?;
    let key = PrivateKeyDer::from_pem_file(key_file).with_context(|| read(key_file))?;
    builder.with_client_auth_cert(chain, key).context("use the client certificate with its key")
}

/// Believes one certificate, in the hands of who has its key.
#[derive(Debug)]
struct Exactly {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *end_entity == self.certificate {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(
            "the daemon shows another certificate than stands in admin.tls.cert_file".to_owned(),
        ))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A daemon that listens on every address is asked on loopback.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
