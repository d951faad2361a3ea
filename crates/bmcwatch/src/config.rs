//! The config file: read whole, checked whole, every problem reported at once with its place and the way out.
//!
//! Loading is the same at start and at reload. Only this module reads the environment and files of secrets. Not here:
//! what the settings do, and the defaults of the log section (crate `collect` has them).

mod admin;
mod collectors;
mod credentials;
mod endpoints;
mod environment;
mod explain;
mod fleet;
mod key;
mod matching;
mod nearest;
mod problem;
mod quantity;
mod reader;
mod reference;
mod secret_file;
mod service;
mod share;
mod show;
mod sinks;
mod sources;
mod target;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use collect::{Desired, LogSettings, Share};
use model::Secret;
use redfish::Address;
use toml::de::DeTable;

pub use admin::{AdminConfig, TlsConfig};
pub use credentials::{Credentials, PasswordSource};
pub(crate) use endpoints::change_passwords;
pub use endpoints::{Assigned, By, EndpointConfig};
pub use environment::Environment;
pub use fleet::Fleet;
pub use matching::Match;
pub use problem::{EXIT_CONFIG, Place, Problem, Problems, Warning};
pub use reference::reference;
pub use secret_file::SecretFile;
pub(crate) use secret_file::is_open_to_others;
pub use service::{JournalConfig, LogConfig, LogFormat, MetricsConfig};
pub(crate) use sinks::{COMPRESSIONS, FORMATS, PACKINGS, SYNCS, is_secret};
pub use sinks::{
    FileSinkConfig, HttpSinkConfig, LoginFile, NatsSinkConfig, Opening, OpeningRead, OtlpSinkConfig,
    PeerConfig, SinkConfig, SinkKind, SyslogAddress, SyslogSinkConfig, Unusable,
};

pub(crate) use nearest::{no_such_endpoint, suggest};
pub(crate) use problem::Refusal;
pub use sources::{SourceConfig, SourceKind};
pub use target::Resolved;

use reader::{Reader, Table};

/// Where the config file is when `--config` does not say.
pub const PATH_DEFAULT: &str = "/etc/bmcwatch/bmcwatch.toml";

/// A larger file is not a config file; 10,000 endpoints with all their keys are 3 MiB.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The effective config: every default filled in, every rule kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Every endpoint of the file, before `only` and `shard`; each id once.
    pub endpoints: Vec<EndpointConfig>,
    /// The logins, in the order of the file.
    pub credentials: Vec<Credentials>,
    /// Time between discovery passes.
    pub interval: Duration,
    /// Which of the endpoints this process takes.
    pub share: Share,
    /// Origins that links of any endpoint may lead to; every endpoint has them among its own.
    pub allowed_origins: Vec<Address>,
    /// Where endpoints come from beside this file, in its order.
    pub sources: Vec<SourceConfig>,
    /// `[collectors.logs]`.
    pub logs: LogSettings,
    /// `[journal]`.
    pub journal: JournalConfig,
    /// The sinks, each name once; never empty.
    pub sinks: Vec<SinkConfig>,
    /// `[admin]`.
    pub admin: AdminConfig,
    /// `[metrics]`.
    pub metrics: MetricsConfig,
    /// `[log]`.
    pub log: LogConfig,
}

impl Config {
    /// Reads and checks a file, with the secrets that it refers to.
    pub fn load(path: &Path, environment: &Environment) -> Result<(Self, Vec<Warning>), Problems> {
        // It may hold passwords: wiped when it has been read.
        let text = read_file(path).map(Secret::new).map_err(|refusal| {
            let Refusal { text, hint } = refusal;
            Problems::new(vec![Problem {
                file: path.to_owned(),
                place: None,
                key: String::new(),
                text,
                hint,
            }])
        })?;
        Self::parse(path, text.expose(), environment)
    }

    /// Checks a text as if it stood in `path`.
    pub fn parse(
        path: &Path,
        text: &str,
        environment: &Environment,
    ) -> Result<(Self, Vec<Warning>), Problems> {
        let mut reader = Reader::new(path.to_owned(), text, environment);
        let (values, mistakes) = DeTable::parse_recoverable(text);
        for mistake in mistakes {
            let offset = mistake.span().map_or(0, |span| span.start);
            reader.problem(String::new(), offset, Refusal::new(format!("not TOML: {}", mistake.message())));
        }
        // What a broken file seems to say is not worth a second opinion.
        if !reader.problems.is_empty() {
            return Err(Problems::new(reader.problems));
        }
        let config = Self::read(&mut reader, values.get_ref());
        if reader.problems.is_empty() {
            Ok((config, reader.warnings))
        } else {
            Err(Problems::new(reader.problems))
        }
    }

    fn read(reader: &mut Reader<'_>, values: &DeTable<'_>) -> Self {
        let top = Table::top(reader, &key::TOP, values);
        let credentials = credentials::read(reader, &top);
        let share::Discovery { interval, share, allowed_origins, sources } = share::read(reader, &top);
        let setting = endpoints::Setting::new(&credentials, &allowed_origins);
        Self {
            endpoints: endpoints::read(reader, &top, &setting, !sources.is_empty()),
            credentials: credentials.list,
            interval,
            share,
            allowed_origins,
            sources,
            logs: collectors::read(reader, &top),
            journal: service::journal(reader, &top),
            sinks: sinks::read(reader, &top),
            admin: admin::read(reader, &top),
            metrics: service::metrics(reader, &top),
            log: service::log(reader, &top),
        }
    }

    /// What discovery is to make true before any source has said anything: the endpoints of this file that `only` and
    /// `shard` leave, and how they are collected.
    pub fn desired(&self) -> Desired {
        self.desired_of(&self.fleet(&[]))
    }

    /// The same for all endpoints.
    pub fn desired_of(&self, fleet: &Fleet<'_>) -> Desired {
        let endpoints = fleet.taken.iter().map(|config| config.spec()).collect();
        Desired { endpoints, logs: self.logs.clone(), interval: self.interval }
    }

    /// Puts other passwords, by the names of their logins, in the place of those that were read; answers how many
    /// endpoints have them.
    pub(crate) fn change_passwords(&mut self, changed: &BTreeMap<String, Secret>) -> usize {
        for one in &mut self.credentials {
            if let Some(password) = changed.get(&one.name) {
                one.login.password = password.clone();
            }
        }
        change_passwords(&mut self.endpoints, changed)
    }

    /// What holds for one endpoint and why, for a person to read.
    pub fn explain(&self, endpoint: &EndpointConfig) -> String {
        explain::explain(self, endpoint)
    }

    /// The effective config as a TOML file, every default written out, passwords as `***`.
    pub fn show(&self) -> String {
        show::show(self)
    }
}

fn read_file(path: &Path) -> Result<String, Refusal> {
    let hint = || format!("is the path right? The default is {PATH_DEFAULT}; --config PATH names another");
    let failed = |error: std::io::Error| Refusal::new(format!("cannot be read: {error}")).hint(hint());
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Refusal::new("is not a regular file").hint(hint()));
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(Refusal::new(format!("has {} bytes, more than {FILE_BYTES_MAX}", metadata.len())));
    }
    let bytes = fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| Refusal::new("is not UTF-8 text"))
}

/// The secret in a file that a command line names, under the rules of `password_file`.
pub(crate) fn secret_file(path: &Path) -> Result<Secret, String> {
    SecretFile::new(path.to_owned(), &Environment::of_process()).read().map_err(|refusal| {
        [Some(refusal.text), refusal.hint].into_iter().flatten().collect::<Vec<_>>().join("; ")
    })
}

/// A path that is not empty.
fn path(text: &str) -> Result<PathBuf, Refusal> {
    if text.is_empty() { Err(Refusal::new("the path is empty")) } else { Ok(PathBuf::from(text)) }
}
