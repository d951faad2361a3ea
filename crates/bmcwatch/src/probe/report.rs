//! What a probe found, as text for people and as one JSON object.
//!
//! Names and texts of the BMC are cleaned. No password, token or body is in it.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
use redfish::{Address, Entry, Handshake, LogService, Page, Proving, ServiceRoot};
use serde::Serialize;

use crate::logging::Chain;

/// Everything; what was not reached is null.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    address: String,
    tls: Option<Tls>,
    /// The policy under which credentials are sent; `none` when nothing vouches for the certificate.
    pub(super) trust: String,
    pub(super) verified: bool,
    root: Option<Root>,
    #[serde(serialize_with = "login_word")]
    pub(super) login: Option<Proving>,
    pub(super) stream: Option<Stream>,
    pub(super) logs: Vec<Log>,
    /// The BMC's clock minus ours.
    pub(super) clock_offset_seconds: Option<f64>,
    /// By operation.
    requests: BTreeMap<String, Requests>,
    pub(super) problems: Vec<String>,
    /// Something that was asked for could not be done.
    pub(super) failed: bool,
}

#[derive(Debug, Serialize)]
struct Tls {
    version: String,
    cipher: String,
    handshake_ms: u64,
    pin: String,
    subject: String,
    issuer: String,
    not_after: Option<DateTime<Utc>>,
    self_signed: bool,
    x509_version: u32,
    key: String,
}

#[derive(Debug, Serialize)]
struct Root {
    vendor: Option<String>,
    product: Option<String>,
    redfish_version: Option<String>,
    uuid: Option<String>,
}

/// The event stream.
#[derive(Debug, Default, Serialize)]
pub(super) struct Stream {
    pub(super) uri: Option<String>,
    /// Whether this account may open it, as far as it was tried.
    pub(super) opened: bool,
    pub(super) opened_ms: Option<u64>,
    /// What came first.
    pub(super) first: Option<String>,
    /// Why there is none.
    pub(super) why: Option<String>,
}

/// One log.
#[derive(Debug, Serialize)]
pub(super) struct Log {
    path: String,
    name: String,
    enabled: bool,
    /// On the first page.
    listed: usize,
    /// As the BMC counts.
    count: Option<u64>,
    max_records: Option<u64>,
    order: &'static str,
    paging: &'static str,
    /// What names its entries.
    identity: Option<&'static str>,
    first_page_ms: u64,
}

#[derive(Debug, Serialize)]
struct Requests {
    count: u64,
    mean_ms: u64,
}

impl Report {
    pub(super) fn new(address: &Address) -> Self {
        Self {
            address: address.to_string(),
            tls: None,
            trust: "none".to_owned(),
            verified: false,
            root: None,
            login: None,
            stream: None,
            logs: Vec::new(),
            clock_offset_seconds: None,
            requests: BTreeMap::new(),
            problems: Vec::new(),
            failed: false,
        }
    }

    /// Notes what the handshake showed.
    pub(super) fn seen(&mut self, seen: &Handshake, took: Duration) {
        let certificate = &seen.certificate;
        self.tls = Some(Tls {
            version: seen.version.clone(),
            cipher: seen.cipher.clone(),
            handshake_ms: milliseconds(took),
            pin: certificate.trust().to_string(),
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            not_after: certificate.not_after,
            self_signed: certificate.self_signed,
            x509_version: certificate.x509_version,
            key: certificate.key.clone(),
        });
    }

    pub(super) fn root(&mut self, root: &ServiceRoot) {
        self.root = Some(Root {
            vendor: root.vendor.as_deref().map(clean),
            product: root.product.as_deref().map(clean),
            redfish_version: root.redfish_version.as_deref().map(clean),
            uuid: root.uuid.as_deref().map(clean),
        });
    }

    /// Notes that something could not be done.
    pub(super) fn failure(&mut self, what: &str, error: &(dyn Error + 'static)) {
        self.failed = true;
        self.problems.push(format!("failed to {what}: {}", Chain(error)));
    }

    /// Takes the latencies of requests over.
    pub(super) fn measured(&mut self, registry: &prometheus::Registry) {
        let families = registry.gather();
        let durations = families.iter().find(|family| family.name() == "http_request_duration_seconds");
        for row in durations.into_iter().flat_map(prometheus::proto::MetricFamily::get_metric) {
            let histogram = row.get_histogram();
            let (count, seconds) = (histogram.get_sample_count(), histogram.get_sample_sum());
            let operation = row.get_label().first().map(|label| label.value().to_owned());
            if let (1.., Some(operation)) = (count, operation) {
                let all = milliseconds(Duration::try_from_secs_f64(seconds).unwrap_or_default());
                self.requests.insert(operation, Requests { count, mean_ms: all / count });
            }
        }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(super) fn text(&self) -> String {
        let mut rows = Rows(String::new());
        rows.row("address", &self.address);
        if let Some(tls) = &self.tls {
            self.tls_rows(&mut rows, tls);
        }
        if let Some(root) = &self.root {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "not told".to_owned());
            rows.row("vendor", &word(&root.vendor));
            rows.row("product", &word(&root.product));
            rows.row("Redfish", &word(&root.redfish_version));
            rows.row("UUID", &word(&root.uuid));
        }
        if let Some(login) = self.login {
            rows.row("login", login_text(login));
        }
        if let Some(stream) = &self.stream {
            rows.row("event stream", &stream.told());
        }
        if let Some(offset) = self.clock_offset_seconds {
            rows.row("clock", &format!("{offset:+.1} s against ours"));
        }
        for log in &self.logs {
            rows.row("log", &log.told());
        }
        for (operation, requests) in &self.requests {
            rows.row("requests", &format!("{operation}: {}, {} ms each", requests.count, requests.mean_ms));
        }
        for problem in &self.problems {
            rows.row("problem", problem);
        }
        rows.0
    }

    fn tls_rows(&self, rows: &mut Rows, tls: &Tls) {
        rows.row("TLS", &format!("{}, {}, handshake in {} ms", tls.version, tls.cipher, tls.handshake_ms));
        rows.row("certificate", &tls.subject);
        rows.row("signed by", if tls.self_signed { "itself" } else { &tls.issuer });
        let until = tls.not_after.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let until = until.unwrap_or_else(|| "a time that cannot be read".to_owned());
        rows.row("valid until", &format!("{until}; X.509 v{}, key {}", tls.x509_version, tls.key));
        rows.row("pin", &format!("trust = \"{}\"", tls.pin));
        let verified = if self.verified { "verified" } else { "not verified" };
        rows.row("trust", &format!("{}, {verified}", self.trust));
    }
}

impl Stream {
    fn told(&self) -> String {
        let uri = self.uri.as_deref().unwrap_or("none");
        if let Some(why) = &self.why {
            return format!("{uri}: {why}");
        }
        let (first, took) = (self.first.as_deref().unwrap_or("nothing"), self.opened_ms.unwrap_or(0));
        format!("{uri}, open after {took} ms, first came {first}")
    }
}

impl Log {
    pub(super) fn of(service: &LogService, page: &Page, took: Duration) -> Self {
        Self {
            path: clean(&service.path),
            name: clean(&service.name),
            enabled: service.enabled,
            listed: page.entries.len(),
            count: page.count,
            max_records: service.max_records,
            order: order(&page.entries),
            paging: match &page.next {
                Some(next) if next.is_linked() => "next link",
                Some(_) => "by count, without a next link",
                None => "one page",
            },
            identity: page.entries.first().map(|entry| entry.identity.scheme.as_str()),
            first_page_ms: milliseconds(took),
        }
    }

    fn told(&self) -> String {
        let of = self.count.map(|count| format!(" of {count}")).unwrap_or_default();
        let max = self.max_records.map(|max| format!(", at most {max}")).unwrap_or_default();
        let identity = self.identity.map(|identity| format!(", named by {identity}")).unwrap_or_default();
        let off = if self.enabled { "" } else { ", disabled" };
        format!(
            "{}: {}{of} entries{max}, {}, {}{identity}, in {} ms{off}",
            self.path, self.listed, self.order, self.paging, self.first_page_ms
        )
    }
}

/// In which order a page lists its entries, by their times.
fn order(entries: &[Entry]) -> &'static str {
    let times: Vec<DateTime<Utc>> = entries.iter().filter_map(|entry| entry.facts.occurred_at).collect();
    match (times.is_sorted(), times.is_sorted_by(|a, b| a >= b)) {
        (true, true) => "order not told",
        (true, false) => "oldest first",
        (false, true) => "newest first",
        (false, false) => "in no order of time",
    }
}

fn login_text(proving: Proving) -> &'static str {
    match proving {
        Proving::Nothing => "none",
        Proving::Session => "session",
        Proving::Basic => "basic",
    }
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn login_word<S: serde::Serializer>(login: &Option<Proving>, to: S) -> Result<S::Ok, S::Error> {
    login.map(login_text).serialize(to)
}

/// A text of a BMC that may go to a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Rows of a name and a text.
struct Rows(String);

impl Rows {
    fn row(&mut self, name: &str, text: &str) {
        writeln!(self.0, "{name:<14}{text}").expect("a String takes every write");
    }
}
