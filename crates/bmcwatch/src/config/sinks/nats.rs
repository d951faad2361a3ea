//! `type = "nats"`: a JetStream stream.

use std::time::Duration;

use reqwest::Url;
use sink::Subject;

use super::{
    login::{self, LoginFile},
    peer::{self, Opening},
};
use crate::config::{
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
};

/// Default of `timeout`.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What to write, in hints.
const SERVERS: &str = "servers = [\"tls://nats.example.net:4222\"], or nats:// without TLS";

/// A JetStream stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsSinkConfig {
    /// Where; one of them is enough.
    pub servers: Vec<Url>,
    /// Under which subject records go.
    pub subject: Subject,
    /// How long one batch may take.
    pub timeout: Duration,
    /// What opens them.
    pub opening: Opening,
}

pub(super) const KEYS: [&str; 11] = [
    "servers",
    "subject",
    "timeout",
    "token_file",
    "username",
    "password_file",
    "nkey_seed_file",
    "credentials_file",
    "trust",
    "cert_file",
    "key_file",
];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<NatsSinkConfig> {
    if !table.has("servers") || table.is_empty("servers") {
        let refusal = Refusal::new("a sink of type \"nats\" needs servers");
        table.table_problem(reader, refusal.hint(format!("add {SERVERS}")));
    }
    let servers = table.list(reader, "servers", server);
    let subject = table.read(reader, "subject", subject).unwrap_or_default();
    let timeout = table.read(reader, "timeout", quantity::duration).unwrap_or(TIMEOUT);
    let login = login::read(reader, table, &login::FILES)?;
    let servers = servers?;
    if !servers.is_empty() && servers.iter().all(|url| url.scheme() != "tls") {
        peer::refuse_tls(reader, table, "write \"tls://...\" in servers, or take the key out");
    }
    let plain = servers.iter().any(|url| url.scheme() != "tls" && !peer::is_loopback(url));
    // The other two sign what the server asks, and do not leave us.
    if plain && matches!(login, LoginFile::Token(_) | LoginFile::Password { .. }) {
        let warning = Refusal::new("the login travels in clear, where a server does not insist on TLS");
        table.warning(reader, "servers", warning.hint("write \"tls://...\""));
    }
    let opening = peer::certificates(reader, table, login, peer::READS_RECORDS)?;
    Some(NatsSinkConfig { servers, subject, timeout, opening })
}

fn subject(text: &str) -> Result<Subject, Refusal> {
    text.parse().map_err(|error: sink::SubjectError| {
        Refusal::new(error.to_string()).hint(
            "words, {endpoint}, {severity}, {kind} and {label:NAME}, with dots between: \"bmc.{label:site}.{endpoint}.{severity}\"",
        )
    })
}

fn server(text: &str) -> Result<Url, Refusal> {
    // Not quoted: it may hold a password.
    let wrong = |what: &str| Err(Refusal::new(what).hint(format!("write {SERVERS}")));
    let Ok(url) = text.parse::<Url>() else { return wrong("not an address") };
    if !matches!(url.scheme(), "nats" | "tls") {
        return wrong("the address begins with neither nats:// nor tls://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new("an address holds no user name, password or token")
            .hint("write username and password_file, or token_file"));
    }
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !bare || url.host_str().unwrap_or_default().is_empty() {
        return wrong("an address of a NATS server is a host and a port");
    }
    Ok(url)
}
