//! What sinks over HTTP have in common: where the peer is, what opens it (also one over TLS alone), how long it is waited for.
//!
//! What opens it is read where this is the machine that has it, so that a file that cannot be used is reported with
//! everything else. Not here: reading it again when it changes (`app::peers`).

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use redfish::Trust;
use reqwest::{
    Url,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue},
};
use sink::Compression;

use super::login::LoginFile;
use crate::config::{
    path,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
    secret_file::SecretFile,
};

/// Default of `timeout`: what log stores take for a batch under load.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A peer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// What is posted to.
    pub url: Url,
    /// How bodies are packed.
    pub compression: Compression,
    /// How long one request may take.
    pub timeout: Duration,
    /// What opens it.
    pub opening: Opening,
}

/// What opens a peer, as the config names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Headers whose values stand in the config.
    pub headers: BTreeMap<String, String>,
    /// Headers whose values stand in files.
    pub header_files: BTreeMap<String, SecretFile>,
    /// A login, where a peer is not asked over HTTP.
    pub login: LoginFile,
    /// Whom we believe.
    pub trust: Trust,
    /// Our certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// What comes of a sink's peer that is not who we mean.
pub(super) const READS_RECORDS: &str = "reads every record";

/// The words of `compression`.
pub(crate) const COMPRESSIONS: [(&str, Compression); 2] =
    [("gzip", Compression::Gzip), ("none", Compression::None)];

pub(super) const KEYS: [&str; 8] =
    ["url", "headers", "headers_file", "compression", "timeout", "trust", "cert_file", "key_file"];

/// `wanted` is how an address of such a peer looks.
pub(super) fn read(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    packed: Compression,
    wanted: &str,
) -> Option<PeerConfig> {
    if !table.has("url") {
        let refusal = Refusal::new("a sink that posts needs an address");
        table.table_problem(reader, refusal.hint(format!("add url = {wanted:?}")));
    }
    let address = table.read(reader, "url", |text| url(text, wanted));
    let compression = table.word(reader, "compression", &COMPRESSIONS).unwrap_or(packed);
    let timeout = table.read(reader, "timeout", quantity::duration).unwrap_or(TIMEOUT);
    let opening = opening(reader, table, address.as_ref());
    Some(PeerConfig { url: address?, compression, timeout, opening: opening? })
}

fn url(text: &str, wanted: &str) -> Result<Url, Refusal> {
    // Not quoted: it may hold a password.
    let wrong = |what: &str| Err(Refusal::new(what).hint(format!("write such as {wanted:?}")));
    match text.parse::<Url>() {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => wrong("the address begins with neither https:// nor http://"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(Refusal::new("an address holds no user name or password")
                .hint("write headers_file = { Authorization = \"/path\" }; the file holds \"Basic BASE64\" or \"Bearer TOKEN\""))
        }
        Ok(url) if url.fragment().is_some() => wrong("an address to post to has no fragment"),
        // A path that is wanted and absent is the usual mistake, and answers 404 for ever.
        Ok(url) if url.path() == "/" && wanted.matches('/').count() > 2 => {
            wrong("the address has no path; it is posted to as it is written")
        }
        Ok(url) => Ok(url),
        Err(error) => wrong(&format!("not an address: {error}")),
    }
}

fn opening(reader: &mut Reader<'_>, table: &Table<'_>, address: Option<&Url>) -> Option<Opening> {
    let headers = table.texts_by_name(reader, "headers", header_name).unwrap_or_default();
    for (name, value) in &headers {
        if HeaderValue::from_str(value).is_err() {
            let refusal = Refusal::new(format!("the value of {name} holds characters that a header cannot"));
            table.problem(reader, "headers", refusal);
        } else if is_secret(name) {
            let warning = Refusal::new("a secret in the config file: whoever reads the file has it");
            let hint = "put it into a file of its own and name it with headers_file";
            table.warning(reader, "headers", warning.hint(hint));
        }
    }
    let files = table.texts_by_name(reader, "headers_file", header_name).unwrap_or_default();
    if let Some(name) = files.keys().find(|name| headers.keys().any(|other| other.eq_ignore_ascii_case(name)))
    {
        let refusal = Refusal::new(format!("{name} stands in headers and in headers_file"));
        table.problem(reader, "headers_file", refusal.hint("keep one of them"));
    }
    let file = |(name, text): (String, String)| (name, SecretFile::new(text.into(), reader.environment));
    let header_files: BTreeMap<String, SecretFile> = files.into_iter().map(file).collect();
    let trust = believed(reader, table, READS_RECORDS);
    let plain = address.is_some_and(|url| url.scheme() == "http" && !is_loopback(url));
    if plain && !(headers.is_empty() && header_files.is_empty()) {
        let warning = Refusal::new("headers travel in clear, and with them what opens the peer");
        table.warning(reader, "url", warning.hint("use https"));
    }
    let opening = Opening { headers, header_files, login: LoginFile::None, trust, own: own(reader, table)? };
    check(reader, table, &opening);
    Some(opening)
}

/// What opens a peer that is reached with TLS, and that gets no headers. `harm` is what comes of a peer that is not who we mean.
pub(in crate::config) fn certificates(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    login: LoginFile,
    harm: &str,
) -> Option<Opening> {
    let trust = believed(reader, table, harm);
    let own = own(reader, table)?;
    let opening = Opening { headers: BTreeMap::new(), header_files: BTreeMap::new(), login, trust, own };
    check(reader, table, &opening);
    Some(opening)
}

/// For a peer that is reached without TLS.
pub(super) fn refuse_tls(reader: &mut Reader<'_>, table: &Table<'_>, hint: &str) {
    for key in ["trust", "cert_file", "key_file"].into_iter().filter(|key| table.has(key)) {
        table.problem(reader, key, Refusal::new("this address is reached without TLS").hint(hint));
    }
}

fn believed(reader: &mut Reader<'_>, table: &Table<'_>, harm: &str) -> Trust {
    let trust = table.read(reader, "trust", trust).unwrap_or_default();
    if trust == Trust::Insecure {
        let warning = Refusal::new(format!("any certificate is believed: whoever is in between {harm}"));
        table.warning(reader, "trust", warning.hint("write \"ca:/path/to/ca.pem\" or \"pin:sha256/...\""));
    }
    trust
}

/// Whether the files can be used, where this is the machine that has them.
fn check(reader: &mut Reader<'_>, table: &Table<'_>, opening: &Opening) {
    if reader.environment.has_secrets()
        && let Err(unusable) = opening.read().and_then(|read| read.open(opening))
    {
        table.problem(reader, unusable.key, unusable.refusal);
    }
}

/// Our certificate and its key, if both or none are given.
#[expect(clippy::option_option, reason = "the outer one says whether reading may go on")]
fn own(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Option<(PathBuf, PathBuf)>> {
    let certificate = table.read(reader, "cert_file", path);
    let key = table.read(reader, "key_file", path);
    for (given, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if table.has(given) && !table.has(other) {
            let refusal = Refusal::new(format!("{given} without {other}"));
            table.problem(reader, given, refusal.hint(format!("add {other} = \"/path/to/file.pem\"")));
            return None;
        }
    }
    if table.has("cert_file") { Some(Some((certificate?, key?))) } else { Some(None) }
}

/// Whether the value of a header opens something, by its name.
pub(crate) fn is_secret(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    ["auth", "token", "key", "cookie", "secret", "password"].iter().any(|part| name.contains(part))
}

pub(in crate::config) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn header_name(name: &str) -> Result<(), Refusal> {
    match name.parse::<HeaderName>() {
        Ok(known) if [HOST, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH].contains(&known) => {
            Err(Refusal::new(format!("{name} is set by the sink")).hint("take it out"))
        }
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::new(format!("{name:?} is not the name of a header"))),
    }
}

fn trust(text: &str) -> Result<Trust, Refusal> {
    match text.parse().map_err(|error: redfish::TrustError| Refusal::new(error.to_string()))? {
        Trust::Tofu => Err(Refusal::new("\"tofu\" is for BMCs, which come by the hundred")
            .hint("write \"system\", \"ca:/path/to/ca.pem\" or \"pin:sha256/...\"")),
        trust => Ok(trust),
    }
}
