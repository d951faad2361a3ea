//! `type = "syslog"`: RFC 5424 to a receiver on the network or on this machine.

use std::{path::PathBuf, time::Duration};

use reqwest::Url;
use sink::{Facility, HostPort, SYSLOG_LIMIT_MIN, SyslogForm};

use super::{
    login::LoginFile,
    peer::{self, Opening},
};
use crate::config::{
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
};

/// Default of `timeout`.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Default of `max_message_size`: what receivers take as they are installed.
const LIMIT: usize = 8 << 10;
/// Beyond this no datagram goes, and few receivers read a line.
const LIMIT_MAX: u64 = 64 << 10;
/// Default of `enterprise_number`: the one that is reserved for examples. There is none that is ours.
const ENTERPRISE: u32 = 32_473;

/// What to write, in hints.
const ADDRESSES: &str = "\"udp://host:514\", \"tcp://host:601\", \"tls://host:6514\" or \"unix:///dev/log\"";

/// RFC 5424 lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogSinkConfig {
    /// Where.
    pub address: SyslogAddress,
    /// How lines look.
    pub form: SyslogForm,
    /// How long one batch may take.
    pub timeout: Duration,
}

/// Where a receiver is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogAddress {
    /// `udp://`.
    Udp(HostPort),
    /// `tcp://`.
    Tcp(HostPort),
    /// `tls://`, and what opens the receiver.
    Tls(HostPort, Box<Opening>),
    /// `unix://`.
    Unix(PathBuf),
}

/// An address as it is written.
enum Written {
    Udp(HostPort),
    Tcp(HostPort),
    Tls(HostPort),
    Unix(PathBuf),
}

impl std::fmt::Display for SyslogAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Udp(at) => write!(f, "udp://{at}"),
            Self::Tcp(at) => write!(f, "tcp://{at}"),
            Self::Tls(at, _) => write!(f, "tls://{at}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

pub(super) const KEYS: [&str; 8] = [
    "address",
    "facility",
    "enterprise_number",
    "max_message_size",
    "timeout",
    "trust",
    "cert_file",
    "key_file",
];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<SyslogSinkConfig> {
    if !table.has("address") {
        let refusal = Refusal::new("a sink of type \"syslog\" needs an address");
        table.table_problem(reader, refusal.hint(format!("add address = {ADDRESSES}")));
    }
    let address = table.read(reader, "address", address);
    let facility = table.word(reader, "facility", &Facility::ALL).unwrap_or(Facility::DEFAULT);
    let enterprise = table.count(reader, "enterprise_number", 1..=u32::MAX).unwrap_or(ENTERPRISE);
    let limit = table.read(reader, "max_message_size", limit).unwrap_or(LIMIT);
    let timeout = table.read(reader, "timeout", quantity::duration).unwrap_or(TIMEOUT);
    let form = SyslogForm { facility, enterprise, limit };
    let address = match address? {
        Written::Tls(at) => SyslogAddress::Tls(
            at,
            Box::new(peer::certificates(reader, table, LoginFile::None, peer::READS_RECORDS)?),
        ),
        Written::Udp(at) => without_tls(reader, table, SyslogAddress::Udp(at)),
        Written::Tcp(at) => without_tls(reader, table, SyslogAddress::Tcp(at)),
        Written::Unix(path) => without_tls(reader, table, SyslogAddress::Unix(path)),
    };
    Some(SyslogSinkConfig { address, form, timeout })
}

fn without_tls(reader: &mut Reader<'_>, table: &Table<'_>, address: SyslogAddress) -> SyslogAddress {
    peer::refuse_tls(reader, table, "write address = \"tls://...\", or take the key out");
    address
}

fn limit(text: &str) -> Result<usize, Refusal> {
    let bytes = quantity::size(text)?;
    let given = usize::try_from(bytes).ok().filter(|_| bytes <= LIMIT_MAX);
    given.filter(|bytes| *bytes >= SYSLOG_LIMIT_MIN).ok_or_else(|| {
        let most = quantity::size_text(LIMIT_MAX);
        Refusal::new(format!("{text} is out of range: it must be from 1KiB to {most}"))
            .hint("8KiB is what receivers take as they are installed")
    })
}

fn address(text: &str) -> Result<Written, Refusal> {
    let wrong = |what: &str| Refusal::new(what).hint(format!("write {ADDRESSES}"));
    if let Some(path) = text.strip_prefix("unix://") {
        let path = PathBuf::from(path);
        return if path.is_absolute() && path.file_name().is_some() {
            Ok(Written::Unix(path))
        } else {
            Err(wrong("the path of a socket must be whole"))
        };
    }
    let url: Url = text.parse().map_err(|_| wrong("not an address"))?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an address of a syslog receiver is a host and a port"));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    if host.is_empty() {
        return Err(wrong("the address names no host"));
    }
    let at = |port: u16| HostPort { host, port: url.port().unwrap_or(port) };
    match url.scheme() {
        "udp" => Ok(Written::Udp(at(514))),
        "tcp" => Ok(Written::Tcp(at(601))),
        "tls" => Ok(Written::Tls(at(6514))),
        _ => Err(wrong("the address begins with none of udp://, tcp://, tls:// and unix://")),
    }
}
