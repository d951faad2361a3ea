//! One `[[sinks]]` table, every default written out; what may open a peer is never written.

use sink::{Facility, Filter};

use super::{HIDDEN, Page};
use crate::config::{
    COMPRESSIONS, FORMATS, FileSinkConfig, HttpSinkConfig, LoginFile, NatsSinkConfig, Opening,
    OtlpSinkConfig, PACKINGS, PeerConfig, SYNCS, SinkConfig, SinkKind, SyslogAddress, SyslogSinkConfig,
    is_secret,
    quantity::{duration_text, size_text},
};

pub(super) fn show(page: &mut Page, sink: &SinkConfig) {
    page.header("[[sinks]]");
    page.text("name", &sink.name);
    page.text("type", sink.kind.as_str());
    show_filter(page, &sink.selection.filter);
    if let Some(lag) = sink.selection.max_lag {
        page.text("max_lag", &duration_text(lag));
    }
    match &sink.kind {
        SinkKind::Stdout => {}
        SinkKind::File(file) => show_file(page, file),
        SinkKind::Http(http) => show_http(page, http),
        SinkKind::Otlp(otlp) => show_otlp(page, otlp),
        SinkKind::Syslog(syslog) => show_syslog(page, syslog),
        SinkKind::Nats(nats) => show_nats(page, nats),
    }
}

fn show_filter(page: &mut Page, filter: &Filter) {
    if let Some(least) = filter.min_severity {
        page.text("min_severity", least.as_str());
    }
    if !filter.kinds.is_empty() {
        page.texts("kinds", &filter.kinds.iter().map(|kind| kind.as_str().to_owned()).collect::<Vec<_>>());
    }
    page.labels("labels", &filter.labels);
    if !filter.message_ids.is_empty() {
        let patterns: Vec<String> = filter.message_ids.iter().map(ToString::to_string).collect();
        page.texts("message_ids", &patterns);
    }
}

fn show_file(page: &mut Page, file: &FileSinkConfig) {
    page.path("path", &file.path);
    page.text("max_size", &size_text(file.max_size));
    page.bare("max_files", &file.max_files.to_string());
    if let Some(every) = file.rotate_every {
        page.text("rotate_every", &duration_text(every));
    }
    page.text("compress", word(&PACKINGS, file.compress));
    page.text("sync", word(&SYNCS, file.sync));
}

fn show_http(page: &mut Page, http: &HttpSinkConfig) {
    page.text("format", word(&FORMATS, http.format));
    if !http.stream_labels.is_empty() {
        page.texts("stream_labels", &http.stream_labels);
    }
    show_peer(page, &http.peer);
}

/// The word for a value.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, known)| *known == value).expect("every value has a word").0
}

fn show_otlp(page: &mut Page, otlp: &OtlpSinkConfig) {
    show_peer(page, &otlp.peer);
    if let Some(instance) = &otlp.instance {
        page.text("instance", instance);
    }
    page.table("resource", &otlp.resource);
    let numbers = otlp.severity_numbers;
    let (ok, warning, critical, unknown) = (numbers.ok, numbers.warning, numbers.critical, numbers.unknown);
    page.bare(
        "severity_numbers",
        &format!("{{ ok = {ok}, warning = {warning}, critical = {critical}, unknown = {unknown} }}"),
    );
    page.bare("include_original", &otlp.include_original.to_string());
}

fn show_peer(page: &mut Page, peer: &PeerConfig) {
    let mut url = peer.url.clone();
    if url.query().is_some() {
        url.set_query(Some(HIDDEN));
    }
    page.text("url", url.as_str());
    page.text("compression", word(&COMPRESSIONS, peer.compression));
    page.text("timeout", &duration_text(peer.timeout));
    let opening = &peer.opening;
    let shown = |(name, value): (&String, &String)| {
        let value = if is_secret(name) { HIDDEN } else { value };
        (name.clone(), value.to_owned())
    };
    page.table("headers", &opening.headers.iter().map(shown).collect());
    let files = opening.header_files.iter();
    let files = files.map(|(name, file)| (name.clone(), file.written().display().to_string()));
    page.table("headers_file", &files.collect());
    show_certificates(page, opening);
}

pub(super) fn show_login(page: &mut Page, login: &LoginFile) {
    if let LoginFile::Password { username, .. } = login {
        page.text("username", username);
    }
    if let Some((key, file)) = login.file() {
        page.path(key, file.written());
    }
}

pub(super) fn show_certificates(page: &mut Page, opening: &Opening) {
    page.text("trust", &opening.trust.to_string());
    if let Some((certificate, key)) = &opening.own {
        page.path("cert_file", certificate);
        page.path("key_file", key);
    }
}

fn show_syslog(page: &mut Page, syslog: &SyslogSinkConfig) {
    let form = syslog.form;
    page.text("address", &syslog.address.to_string());
    page.text("facility", word(&Facility::ALL, form.facility));
    page.bare("enterprise_number", &form.enterprise.to_string());
    page.text("max_message_size", &size_text(form.limit as u64));
    page.text("timeout", &duration_text(syslog.timeout));
    if let SyslogAddress::Tls(_, opening) = &syslog.address {
        show_certificates(page, opening);
    }
}

fn show_nats(page: &mut Page, nats: &NatsSinkConfig) {
    let servers: Vec<String> = nats.servers.iter().map(ToString::to_string).collect();
    page.texts("servers", &servers);
    page.text("subject", &nats.subject.to_string());
    page.text("timeout", &duration_text(nats.timeout));
    show_login(page, &nats.opening.login);
    if nats.servers.iter().any(|url| url.scheme() == "tls") {
        show_certificates(page, &nats.opening);
    }
}
