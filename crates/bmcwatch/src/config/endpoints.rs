//! `[[endpoints]]`: the BMCs to watch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use collect::{EndpointSpec, Mode};
use model::{Endpoint, EndpointId, Secret};
use redfish::{Address, AuthMode, ClientConfig, Login, Trust};

use super::{
    collectors::MODES,
    credentials::Known,
    key,
    matching::{Choice, choose},
    nearest::suggest,
    problem::Refusal,
    reader::{Reader, Table},
};

/// The words of `auth`.
pub(super) const AUTH_MODES: [(&str, AuthMode); 4] = [
    ("auto", AuthMode::Auto),
    ("session", AuthMode::Session),
    ("basic", AuthMode::Basic),
    ("none", AuthMode::None),
];

/// One endpoint of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointConfig {
    /// What records say of it; the address as the operator wrote it.
    pub endpoint: Arc<Endpoint>,
    /// How to reach it.
    pub client: ClientConfig,
    /// Its credentials.
    pub credentials: Option<Assigned>,
    /// Its own mode.
    pub log_mode: Option<Mode>,
}

/// The credentials of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Their name.
    pub name: String,
    /// Who said so.
    pub by: By,
}

/// Who says which credentials an endpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The endpoint itself.
    Endpoint,
    /// The match of the credentials.
    Match,
}

/// What every endpoint is held against, wherever it stands.
pub(super) struct Setting<'a> {
    known: &'a Known,
    names: Vec<&'a str>,
    logins: BTreeMap<&'a str, &'a Login>,
    /// Origins that are allowed for all.
    everywhere: &'a [Address],
}

impl<'a> Setting<'a> {
    pub(super) fn new(known: &'a Known, everywhere: &'a [Address]) -> Self {
        let names = known.names.iter().map(String::as_str).collect();
        let logins = known.list.iter().map(|one| (one.name.as_str(), &one.login)).collect();
        Self { known, names, logins, everywhere }
    }

    /// The endpoint of one table, with its login.
    pub(super) fn endpoint(&self, reader: &mut Reader<'_>, table: &Table<'_>) -> Option<EndpointConfig> {
        let own = own_login(reader, table, &self.names);
        let mut config = one(reader, table, self.known)?;
        for origin in self.everywhere {
            if !config.client.allowed_origins.contains(origin) {
                config.client.allowed_origins.push(origin.clone());
            }
        }
        let own = own.map(|name| Assigned { name, by: By::Endpoint });
        config.credentials = own.or(config.credentials);
        let name = config.credentials.as_ref().map(|assigned| assigned.name.as_str());
        config.client.login = name.and_then(|name| self.logins.get(name)).map(|login| (*login).clone());
        Some(config)
    }
}

impl EndpointConfig {
    /// What discovery is told of it.
    pub fn spec(&self) -> EndpointSpec {
        EndpointSpec {
            endpoint: Arc::clone(&self.endpoint),
            client: self.client.clone(),
            log_mode: self.log_mode,
        }
    }
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    top: &Table<'_>,
    setting: &Setting<'_>,
    has_sources: bool,
) -> Vec<EndpointConfig> {
    let tables = top.tables(reader, "endpoints", &key::ENDPOINT);
    let mut endpoints = Vec::new();
    let (mut ids, mut addresses) = (BTreeSet::new(), BTreeMap::new());
    for table in tables {
        let Some(config) = setting.endpoint(reader, &table) else { continue };
        if !ids.insert(config.endpoint.id.clone()) {
            let refusal = Refusal::new(format!(
                "another endpoint has the id {:?} already",
                config.endpoint.id.as_str()
            ));
            let at = if table.has("id") { "id" } else { "address" };
            table.problem(reader, at, refusal.hint("give each endpoint an id of its own"));
        } else if let Some(other) =
            addresses.insert(config.client.address.to_string(), config.endpoint.id.clone())
        {
            let warning = Refusal::new(format!(
                "the endpoint {:?} has the same address: the BMC is read twice",
                other.as_str()
            ));
            table.warning(reader, "address", warning);
        }
        endpoints.push(config);
    }
    if endpoints.is_empty() && !has_sources && reader.problems.is_empty() {
        let warning = Refusal::new("no endpoints: there is nothing to watch");
        top.warning(reader, "endpoints", warning.hint("add [[endpoints]] with address = \"https://...\""));
    }
    endpoints
}

/// Puts other passwords in the place of those that were read; answers how many endpoints have them.
pub(crate) fn change_passwords(
    endpoints: &mut [EndpointConfig],
    changed: &BTreeMap<String, Secret>,
) -> usize {
    let mut count = 0;
    for config in endpoints {
        let assigned = config.credentials.as_ref().and_then(|assigned| changed.get(&assigned.name));
        if let (Some(password), Some(login)) = (assigned, &mut config.client.login) {
            login.password = password.clone();
            count += 1;
        }
    }
    count
}

/// The name of the endpoint's own credentials, when it is a known one.
fn own_login(reader: &mut Reader<'_>, table: &Table<'_>, known: &[&str]) -> Option<String> {
    table.read(reader, "credentials", |name| match known {
        _ if known.contains(&name) => Ok(name.to_owned()),
        [] => Err(Refusal::new(format!("there are no credentials named {name:?}"))
            .hint(format!("add a table [credentials.{name}] with username and password_file"))),
        _ => Err(Refusal::new(format!("there are no credentials named {name:?}")).hint(suggest(name, known))),
    })
}

/// The credentials that fit an endpoint which names none and needs some.
fn matching_login(
    reader: &mut Reader<'_>,
    table: &Table<'_>,
    endpoint: &Endpoint,
    client: &ClientConfig,
    known: &Known,
) -> Option<Assigned> {
    let matches = known.matches.iter().map(|(name, matches)| (name.as_str(), matches));
    let refusal = match choose(matches, endpoint, &client.address) {
        Choice::One(name) => return Some(Assigned { name: name.to_owned(), by: By::Match }),
        Choice::Tie(first, second) => Refusal::new(format!(
            "the credentials {first:?} and {second:?} match it equally well"
        ))
        .hint(format!(
            "add credentials = {first:?} or credentials = {second:?}, or make one of the matches narrower"
        )),
        Choice::Nothing => {
            let word = auth_word(client.auth);
            Refusal::new(format!("auth {word:?} needs credentials, and none match the endpoint"))
                .hint("add credentials = \"NAME\", or auth = \"none\"")
        }
    };
    table.table_problem(reader, refusal);
    None
}

/// Everything but the password, and credentials that the endpoint itself names.
fn one(reader: &mut Reader<'_>, table: &Table<'_>, known: &Known) -> Option<EndpointConfig> {
    if !table.has("address") {
        table.table_problem(
            reader,
            Refusal::new("an endpoint without an address").hint("add address = \"https://...\""),
        );
    }
    let address =
        table.read(reader, "address", |text| address(text).map(|address| (text.to_owned(), address)));
    let id = table.read(reader, "id", |text| {
        EndpointId::try_from(text).map_err(|error| Refusal::new(error.to_string()))
    });
    let trust = table.read(reader, "trust", trust).unwrap_or_default();
    let auth = table.word(reader, "auth", &AUTH_MODES);
    let allowed_origins = origins(reader, table);
    let labels = table.labels(reader, "labels").unwrap_or_default();
    let log_mode = table.word(reader, "log_mode", &MODES);
    let needs = needs_login(reader, table, auth);
    if needs && known.matches.is_empty() {
        let word = auth_word(auth.unwrap_or_default());
        let refusal = Refusal::new(format!("auth {word:?} needs credentials, and the endpoint has none"));
        table.table_problem(reader, refusal.hint("add credentials = \"NAME\", or auth = \"none\""));
    }
    if trust == Trust::Insecure {
        let warning =
            Refusal::new("any certificate is believed: whoever sits on the path can read the password");
        table.warning(reader, "trust", warning.hint("pin the key: trust = \"pin:sha256/...\""));
    }
    let (written, address) = address?;
    if address.scheme() == "http" && auth != Some(AuthMode::None) {
        let warning = Refusal::new("http sends the password in clear");
        table.warning(reader, "address", warning.hint("write https://, or auth = \"none\""));
    }
    let id = match id {
        Some(id) => id,
        None if table.has("id") => return None,
        None => default_id(&address).map_err(|refusal| table.problem(reader, "address", refusal)).ok()?,
    };
    let endpoint = Arc::new(Endpoint { id, address: written, labels });
    let client =
        ClientConfig { address, trust, allowed_origins, auth: auth.unwrap_or_default(), login: None };
    let credentials = if needs && !known.matches.is_empty() {
        matching_login(reader, table, &endpoint, &client, known)
    } else {
        None
    };
    Some(EndpointConfig { endpoint, client, credentials, log_mode })
}

/// Whether the endpoint needs credentials and names none.
fn needs_login(reader: &mut Reader<'_>, table: &Table<'_>, auth: Option<AuthMode>) -> bool {
    // With a mistyped word nothing can be said.
    if auth.is_none() && table.has("auth") {
        return false;
    }
    match auth.unwrap_or_default() {
        AuthMode::None if table.has("credentials") => {
            let warning = Refusal::new("not used, because auth is \"none\"");
            table.warning(reader, "credentials", warning.hint("take one of the two out"));
            false
        }
        AuthMode::None => false,
        AuthMode::Auto | AuthMode::Session | AuthMode::Basic => !table.has("credentials"),
    }
}

/// `allowed_origins` of a table.
pub(super) fn origins(reader: &mut Reader<'_>, table: &Table<'_>) -> Vec<Address> {
    let mut origins = Vec::new();
    for text in table.texts(reader, "allowed_origins").unwrap_or_default() {
        match address(&text) {
            Ok(origin) if origin.scheme() == "http" => {
                let warning = Refusal::new(format!("{origin}: http sends the password in clear"));
                table.warning(
                    reader,
                    "allowed_origins",
                    warning.hint("write https://, if it is spoken there"),
                );
                origins.push(origin);
            }
            Ok(origin) => origins.push(origin),
            Err(refusal) => table.problem(reader, "allowed_origins", refusal),
        }
    }
    origins
}

/// The word of an auth mode.
pub(super) fn auth_word(mode: AuthMode) -> &'static str {
    AUTH_MODES.iter().find(|(_, known)| *known == mode).map(|(word, _)| *word).expect("every mode has a word")
}

fn address(text: &str) -> Result<Address, Refusal> {
    // Not quoted: it may hold a password.
    if text.contains('@') {
        return Err(Refusal::new("an address holds no user name or password")
            .hint("put them into a [credentials.NAME] table"));
    }
    text.parse().map_err(|error: redfish::AddressError| Refusal::new(error.to_string()))
}

fn trust(text: &str) -> Result<Trust, Refusal> {
    if text == "pin" {
        return Err(Refusal::new("\"pin\" without the hash of a key pins nothing").hint(
            "write pin:sha256/BASE64, which `bmcwatch probe ADDRESS` shows, or tofu for the key of the first contact",
        ));
    }
    text.parse().map_err(|error: redfish::TrustError| Refusal::new(error.to_string()))
}

/// Host and port, without a port that is the default of the scheme.
fn default_id(address: &Address) -> Result<EndpointId, Refusal> {
    let (host, port) = (address.host(), address.port());
    let id = match (address.scheme(), port) {
        ("https", 443) | ("http", 80) => host.to_owned(),
        _ if host.contains(':') => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    EndpointId::try_from(id).map_err(|error| Refusal::new(error.to_string()).hint("add id = \"...\""))
}
