//! `[admin]` and `[admin.tls]`: where the listener is, and who may reach it.
//!
//! A listener that other machines can reach without TLS and without a login is a problem unless the operator writes that
//! it shall be so. Not here: carrying that out (`crate::admin`).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use model::Secret;

use super::{
    environment::Environment,
    key, path,
    problem::Refusal,
    reader::{Reader, Table},
};
use crate::{
    admin::{certificate, login},
    logging::Chain,
};

/// Cost of the dearest hash: some seconds of a core for each login. A step doubles it; 31 are days.
const COST_MAX: u32 = 16;

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where the listener is; a loopback address unless it is protected, or `allow_insecure`.
    pub listen: SocketAddr,
    /// Whether it may be reached from other machines without TLS and without a login.
    pub allow_insecure: bool,
    /// Names that URLs may call it by, in small letters; IP addresses and `localhost` are always right.
    pub allowed_hosts: Vec<String>,
    /// Origins whose web pages may read `/api/v1/`, in small letters; `*` stands for all.
    pub cors_origins: Vec<String>,
    /// Users and the bcrypt hashes of their passwords; none means that there is no login.
    pub basic_auth_users: BTreeMap<String, Secret>,
    /// `[admin.tls]`; without it the listener speaks HTTP.
    pub tls: Option<TlsConfig>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9632)),
            allow_insecure: false,
            allowed_hosts: Vec::new(),
            cors_origins: Vec::new(),
            basic_auth_users: BTreeMap::new(),
            tls: None,
        }
    }
}

/// `[admin.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate with its chain.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
    /// Authorities of clients; with them, every client but a probe needs a certificate.
    pub client_ca_file: Option<PathBuf>,
}

pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_>) -> AdminConfig {
    let table = top.table(reader, "admin", &key::ADMIN);
    let default = AdminConfig::default();
    let hosts = table.texts(reader, "allowed_hosts").unwrap_or_default();
    let config = AdminConfig {
        listen: table.read(reader, "listen", listen).unwrap_or(default.listen),
        allow_insecure: table.flag(reader, "allow_insecure").unwrap_or(default.allow_insecure),
        allowed_hosts: hosts.into_iter().filter_map(|text| host(reader, &table, &text)).collect(),
        cors_origins: table.list(reader, "cors_origins", origin).unwrap_or_default(),
        basic_auth_users: users(reader, &table),
        tls: tls(reader, &table),
    };
    if !config.listen.ip().is_loopback() {
        check_open(reader, &table, &config);
    }
    config
}

/// What has to be said about a listener that other machines can reach. What is written counts, whether it can be used or
/// not: one mistake makes no second one.
fn check_open(reader: &mut Reader<'_>, table: &Table<'_>, config: &AdminConfig) {
    let listen = config.listen;
    let (tls, login) = (table.has("tls"), table.has("basic_auth_users"));
    let open =
        format!("{listen} can be reached from other machines, and the listener has neither TLS nor a login");
    match (tls, login) {
        (true, true) => {}
        (true, false) if config.tls.as_ref().is_none_or(|tls| tls.client_ca_file.is_some()) => {}
        (true, false) => {
            let text = format!("{listen} can be reached from other machines, and no login is asked for");
            let hint = "add basic_auth_users, or client_ca_file under [admin.tls]";
            table.warning(reader, "listen", Refusal::new(text).hint(hint));
        }
        (false, true) => {
            let text = format!("{listen} can be reached from other machines, and passwords travel in clear");
            let hint = "add [admin.tls] with cert_file and key_file";
            table.warning(reader, "listen", Refusal::new(text).hint(hint));
        }
        (false, false) if config.allow_insecure => {
            let warning = Refusal::new(open).hint("let only Prometheus and probes through to it");
            table.warning(reader, "listen", warning);
        }
        (false, false) => {
            let hint = format!(
                "add [admin.tls] with cert_file and key_file, and basic_auth_users; or listen on \"127.0.0.1:{}\"; \
                 or, where the network is closed to others, allow_insecure = true",
                listen.port()
            );
            table.problem(reader, "listen", Refusal::new(open).hint(hint));
        }
    }
}

fn listen(text: &str) -> Result<SocketAddr, Refusal> {
    // "localhost" is what people write; a name that needs a lookup is not.
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        Refusal::new(format!("{text:?} is not an IP address with a port"))
            .hint("write \"127.0.0.1:9632\" or \"[::1]:9632\"")
    })
}

fn host(reader: &mut Reader<'_>, table: &Table<'_>, text: &str) -> Option<String> {
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    if !is_name {
        let refusal = Refusal::new(format!("{text:?} is not a host name"));
        let hint = "write a name such as \"bmcwatch.example.net\", without scheme and port";
        table.problem(reader, "allowed_hosts", refusal.hint(hint));
    }
    is_name.then(|| text.trim_end_matches('.').to_ascii_lowercase())
}

fn origin(text: &str) -> Result<String, Refusal> {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_origin = authority.is_some_and(|authority| {
        !authority.is_empty() && authority.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(c))
    });
    if text == "*" || is_origin {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Refusal::new(format!("{text:?} is not an origin")).hint(
        "write scheme, name and port as a browser sends them, such as \"https://grafana.example\", or \"*\"",
    ))
}

fn users(reader: &mut Reader<'_>, table: &Table<'_>) -> BTreeMap<String, Secret> {
    let Some(texts) = table.texts_by_name(reader, "basic_auth_users", user) else { return BTreeMap::new() };
    if texts.is_empty() {
        let refusal = Refusal::new("nobody is named, so nobody could log in");
        table.problem(reader, "basic_auth_users", refusal.hint("name a user, or leave the key out"));
    }
    let mut users = BTreeMap::new();
    for (user, text) in texts {
        let hash =
            if reader.environment.has_secrets() { Secret::new(text) } else { Secret::new(String::new()) };
        if reader.environment.has_secrets()
            && let Err(refusal) = check_hash(&user, &hash)
        {
            table.problem(reader, "basic_auth_users", refusal);
        }
        users.insert(user, hash);
    }
    users
}

fn user(name: &str) -> Result<(), Refusal> {
    match name {
        "" => Err(Refusal::new("the username is empty")),
        // Basic authentication separates user and password by the first colon.
        _ if name.contains(':') => Err(Refusal::new("a username cannot hold a colon")),
        _ if name.contains(char::is_control) => {
            Err(Refusal::new("a username cannot hold control characters"))
        }
        _ => Ok(()),
    }
}

/// Does not quote what stands there: it may be a password.
fn check_hash(user: &str, hash: &Secret) -> Result<(), Refusal> {
    let make = format!("make one with `htpasswd -nBC 10 {user}`: it begins with $2y$10$");
    match login::cost(hash) {
        None => Err(Refusal::new(format!("what stands for {user:?} is not a bcrypt hash")).hint(make)),
        Some(cost) if cost > COST_MAX => {
            let text = format!("the hash of {user:?} has the cost {cost}: a login would take too long");
            Err(Refusal::new(text).hint(format!("at most {COST_MAX}; {make}")))
        }
        Some(_) => Ok(()),
    }
}

fn tls(reader: &mut Reader<'_>, admin: &Table<'_>) -> Option<TlsConfig> {
    let table = admin.table(reader, "tls", &key::ADMIN_TLS);
    if !table.is_present() {
        return None;
    }
    for name in ["cert_file", "key_file"] {
        if !table.has(name) {
            let refusal = Refusal::new(format!("TLS without a {name}"));
            table.table_problem(reader, refusal.hint(format!("add {name} = \"/path/to/file.pem\"")));
        }
    }
    let cert_file = table.read(reader, "cert_file", path);
    let key_file = table.read(reader, "key_file", path);
    let key_file = key_file.map(|written| in_credentials(&written, reader.environment));
    let client_ca_file = table.read(reader, "client_ca_file", path);
    let tls = TlsConfig { cert_file: cert_file?, key_file: key_file?, client_ca_file };
    if reader.environment.has_secrets()
        && let Err(error) = certificate::check(&tls)
    {
        let refusal = Refusal::new(format!("failed to {}", Chain(&error)));
        table.problem(reader, error.key(), refusal);
    }
    Some(tls)
}

/// A relative path is one of the service's credentials, where systemd keeps them.
fn in_credentials(written: &Path, environment: &Environment) -> PathBuf {
    let directory = environment.credentials_directory().filter(|_| environment.has_secrets());
    directory.map_or_else(|| written.to_owned(), |directory| directory.join(written))
}
