//! `[[discovery.file_sd]]` and `[[discovery.http_sd]]`: where endpoints come from beside the config file.
//!
//! Named as in Prometheus, because the same inventory often serves both. Not here: what a target becomes (`target`), when a
//! source is read (crate `collect`).

use std::{collections::BTreeSet, time::Duration};

use collect::FilePattern;
use reqwest::Url;

use super::{
    key,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
    show,
    sinks::{LoginFile, Opening, login, peer},
};

/// Each source has a task, and series of metrics.
const SOURCES_MAX: usize = 100;

/// Below this an inventory would do little else than answer.
const REFRESH_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Defaults of `refresh_interval`, as in Prometheus.
const FILES_REFRESH_INTERVAL: Duration = Duration::from_mins(5);
const HTTP_REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// How an address of a list looks.
const WANTED: &str = "https://netbox.example.net/api/plugins/prometheus-sd/devices/";

/// One source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// Its kind and its number among those: `file_sd/0`.
    pub name: String,
    /// Between two regular refreshes.
    pub refresh_interval: Duration,
    /// Where the targets are.
    pub kind: SourceKind,
}

impl SourceConfig {
    /// Which list it is, however it is read: a list that was had belongs to this.
    pub(crate) fn identity(&self) -> String {
        match &self.kind {
            SourceKind::Files(files) => {
                let files: Vec<String> =
                    files.iter().map(|file| file.written().display().to_string()).collect();
                format!("file_sd {}", files.join("\n"))
            }
            SourceKind::Http { url, .. } => format!("http_sd {url}"),
        }
    }

    /// It as it stands in the shown config: how it is read.
    pub(crate) fn shown(&self) -> String {
        show::source(self)
    }
}

/// Where targets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// In these files.
    Files(Vec<FilePattern>),
    /// Behind this address.
    Http {
        /// What is asked.
        url: Url,
        /// What opens it.
        opening: Box<Opening>,
    },
}

pub(super) fn read(reader: &mut Reader<'_>, discovery: &Table<'_>) -> Vec<SourceConfig> {
    let mut sources = Vec::new();
    for (number, table) in discovery.tables(reader, "file_sd", &key::FILE_SD).into_iter().enumerate() {
        let refresh_interval = interval(reader, &table).unwrap_or(FILES_REFRESH_INTERVAL);
        if let Some(files) = files(reader, &table) {
            let (name, kind) = (format!("file_sd/{number}"), SourceKind::Files(files));
            sources.push((table, SourceConfig { name, refresh_interval, kind }));
        }
    }
    for (number, table) in discovery.tables(reader, "http_sd", &key::HTTP_SD).into_iter().enumerate() {
        let refresh_interval = interval(reader, &table).unwrap_or(HTTP_REFRESH_INTERVAL);
        if let Some(kind) = http(reader, &table) {
            let name = format!("http_sd/{number}");
            sources.push((table, SourceConfig { name, refresh_interval, kind }));
        }
    }
    if sources.len() > SOURCES_MAX {
        let refusal = Refusal::new(format!("{} sources, and at most {SOURCES_MAX} are read", sources.len()));
        discovery.table_problem(reader, refusal.hint("one file_sd may name many files"));
    }
    // Of two that have the same endpoint the first one wins, whatever its kind.
    sources.sort_by_key(|(table, _)| table.offset());
    let mut identities = BTreeSet::new();
    for (table, source) in &sources {
        if !identities.insert(source.identity()) {
            let refusal = Refusal::new("another source reads the same");
            table.table_problem(reader, refusal.hint("one of the two is enough"));
        }
    }
    sources.into_iter().map(|(_, source)| source).collect()
}

fn interval(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Duration> {
    table.read(reader, "refresh_interval", |text| match quantity::duration(text)? {
        short if short < REFRESH_INTERVAL_MIN => {
            Err(Refusal::new(format!("{text:?} is shorter than a second"))
                .hint("changes of files are noticed within two seconds anyway"))
        }
        interval => Ok(interval),
    })
}

fn files(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<Vec<FilePattern>> {
    if !table.has("files") || table.is_empty("files") {
        let refusal = Refusal::new("a file_sd without files");
        table.table_problem(reader, refusal.hint("add files = [\"/etc/bmcwatch/targets/*.json\"]"));
    }
    let files = table.list(reader, "files", |text| {
        if [".yml", ".yaml"].iter().any(|end| text.ends_with(end)) {
            return Err(Refusal::new(format!("{text:?} is YAML by its name, and only JSON is read"))
                .hint("write the list as JSON, which Prometheus reads too"));
        }
        FilePattern::of(text).map_err(|error| Refusal::new(error.to_string()))
    });
    files.filter(|files| !files.is_empty())
}

fn http(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<SourceKind> {
    if !table.has("url") {
        let refusal = Refusal::new("an http_sd without an address");
        table.table_problem(reader, refusal.hint(format!("add url = {WANTED:?}")));
    }
    let url = table.read(reader, "url", url);
    let login = login::read(reader, table, &["token_file", "password_file"])?;
    if let Some(url) = &url
        && url.scheme() == "http"
        && !peer::is_loopback(url)
    {
        let what = if login == LoginFile::None { "the list" } else { "the login, and the list," };
        let warning = Refusal::new(format!(
            "{what} travels in clear: whoever is in between says which machines get the passwords of BMCs"
        ));
        table.warning(reader, "url", warning.hint("use https"));
    }
    let harm = "says which machines get the passwords of BMCs";
    let opening = peer::certificates(reader, table, login, harm)?;
    Some(SourceKind::Http { url: url?, opening: Box::new(opening) })
}

fn url(text: &str) -> Result<Url, Refusal> {
    // Not quoted: it may hold a password.
    let wrong = |what: &str| Err(Refusal::new(what).hint(format!("write such as {WANTED:?}")));
    match text.parse::<Url>() {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            wrong("the address begins with neither https:// nor http://")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(Refusal::new("an address holds no user name or password")
                .hint("write username and password_file, or token_file"))
        }
        Ok(url) if url.fragment().is_some() => wrong("an address of a list has no fragment"),
        Ok(url) => Ok(url),
        Err(error) => wrong(&format!("not an address: {error}")),
    }
}
