//! The effective config written as a TOML file: what `config show` prints.
//!
//! It passes `check-config` again, apart from passwords, which are never written.

mod sink;
mod source;

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use collect::{History, LogSettings, Mode, RetrySse};
use redfish::Address;

use super::{
    AdminConfig, Assigned, By, Config, Credentials, EndpointConfig, LogFormat, PasswordSource, SourceConfig,
    endpoints::auth_word,
    quantity::{duration_text, size_text},
};

/// What stands for a password.
const HIDDEN: &str = "***";

/// A TOML text that grows.
struct Page(String);

impl Page {
    fn header(&mut self, header: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        writeln!(self.0, "{gap}{header}").expect("a String takes everything");
    }

    fn bare(&mut self, key: &str, value: &str) {
        writeln!(self.0, "{key} = {value}").expect("a String takes everything");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.bare(key, &quoted(value));
    }

    fn path(&mut self, key: &str, value: &Path) {
        self.text(key, &value.display().to_string());
    }

    fn texts(&mut self, key: &str, values: &[String]) {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.bare(key, &format!("[{}]", values.join(", ")));
    }

    /// A table of strings under names of any kind; nothing when it is empty.
    fn table(&mut self, key: &str, texts: &BTreeMap<String, String>) {
        if !texts.is_empty() {
            let pairs: Vec<String> =
                texts.iter().map(|(key, value)| format!("{} = {}", name(key), quoted(value))).collect();
            self.bare(key, &format!("{{ {} }}", pairs.join(", ")));
        }
    }

    fn labels(&mut self, key: &str, labels: &BTreeMap<String, String>) {
        if !labels.is_empty() {
            let pairs: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
            self.bare(key, &format!("{{ {} }}", pairs.join(", ")));
        }
    }
}

/// A TOML string that variables are not filled into again.
fn quoted(text: &str) -> String {
    toml::Value::String(text.replace("${", "$${")).to_string()
}

/// A name of the operator's choice as a TOML key.
fn name(text: &str) -> String {
    let bare = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') && !text.is_empty();
    if bare { text.to_owned() } else { toml::Value::String(text.to_owned()).to_string() }
}

pub(super) fn show(config: &Config) -> String {
    let mut page = Page(String::new());
    for endpoint in &config.endpoints {
        show_endpoint(&mut page, endpoint);
    }
    for credentials in &config.credentials {
        show_credentials(&mut page, credentials);
    }
    page.header("[discovery]");
    page.text("interval", &duration_text(config.interval));
    page.labels("only", &config.share.only);
    if let Some((index, shards)) = config.share.shard {
        page.text("shard", &format!("{index}/{shards}"));
    }
    if !config.allowed_origins.is_empty() {
        page.texts("allowed_origins", &origins(&config.allowed_origins));
    }
    for source in &config.sources {
        source::show(&mut page, source);
    }
    show_logs(&mut page, &config.logs);
    page.header("[journal]");
    page.path("directory", &config.journal.directory);
    page.text("max_age", &duration_text(config.journal.max_age));
    page.text("max_size", &size_text(config.journal.max_size));
    for sink in &config.sinks {
        sink::show(&mut page, sink);
    }
    show_admin(&mut page, &config.admin);
    page.header("[metrics]");
    page.text("prefix", &config.metrics.prefix);
    page.header("[log]");
    let format = LogFormat::WORDS.iter().find(|(_, format)| *format == config.log.format);
    page.text("format", format.expect("every format has a word").0);
    page.text("level", &config.log.level);
    page.0
}

/// One source alone.
pub(super) fn source(source: &SourceConfig) -> String {
    let mut page = Page(String::new());
    source::show(&mut page, source);
    page.0
}

fn origins(allowed: &[Address]) -> Vec<String> {
    allowed.iter().map(ToString::to_string).collect()
}

fn show_endpoint(page: &mut Page, config: &EndpointConfig) {
    page.header("[[endpoints]]");
    page.text("id", config.endpoint.id.as_str());
    page.text("address", &config.endpoint.address);
    match &config.credentials {
        Some(Assigned { name, by: By::Endpoint }) => page.text("credentials", name),
        // Written out as a key it would stay when the match changes.
        Some(Assigned { name, by: By::Match }) => page.text("# by its match: credentials", name),
        None => {}
    }
    page.text("auth", auth_word(config.client.auth));
    page.text("trust", &config.client.trust.to_string());
    if !config.client.allowed_origins.is_empty() {
        page.texts("allowed_origins", &origins(&config.client.allowed_origins));
    }
    page.labels("labels", &config.endpoint.labels);
    if let Some(mode) = config.log_mode {
        page.text("log_mode", mode.as_str());
    }
}

fn show_credentials(page: &mut Page, credentials: &Credentials) {
    page.header(&format!("[credentials.{}]", name(&credentials.name)));
    page.text("username", &credentials.login.username);
    match &credentials.source {
        PasswordSource::File(file) => page.path("password_file", file.written()),
        PasswordSource::Variable(variable) => page.text("password_env", variable),
        PasswordSource::Inline => page.text("password", HIDDEN),
    }
    if let Some(matches) = &credentials.matches {
        page.bare("match", &format!("{{ {matches} }}"));
    }
}

fn show_logs(page: &mut Page, logs: &LogSettings) {
    page.header("[collectors.logs]");
    page.text("mode", logs.mode.as_str());
    match logs.initial_history {
        History::All => page.text("initial_history", "all"),
        History::None => page.text("initial_history", "none"),
        History::Last(age) => page.text("initial_history", &duration_text(age)),
    }
    page.text("reconcile_interval", &duration_text(logs.reconcile_interval));
    page.texts("exclude_services", &logs.exclude_services);
    page.bare("report_changes", &logs.report_changes.to_string());
    // The mode "sse" refuses the table.
    if logs.mode != Mode::Sse {
        page.header("[collectors.logs.periodic]");
        page.text("logs_collection_interval", &duration_text(logs.periodic.logs_collection_interval));
        page.text("state_refresh_interval", &duration_text(logs.periodic.state_refresh_interval));
        if let Some(path) = &logs.periodic.logs_state_file {
            page.path("logs_state_file", path);
        }
    }
    page.header("[collectors.logs.auto]");
    page.bare("sse_not_available_threshold", &logs.auto.sse_not_available_threshold.to_string());
    page.text("connect_failure_window", &duration_text(logs.auto.connect_failure_window));
    page.bare("connect_failure_threshold", &logs.auto.connect_failure_threshold.to_string());
    page.text("min_stream_lifetime", &duration_text(logs.auto.min_stream_lifetime));
    match logs.auto.retry_sse_after {
        RetrySse::After(wait) => page.text("retry_sse_after", &duration_text(wait)),
        RetrySse::Never => page.text("retry_sse_after", "never"),
    }
    page.text("retry_sse_max", &duration_text(logs.auto.retry_sse_max));
    page.header("[collectors.logs.sse]");
    page.text("initial_backoff", &duration_text(logs.sse.initial_backoff));
    page.text("max_backoff", &duration_text(logs.sse.max_backoff));
    page.text("idle_timeout", &duration_text(logs.sse.idle_timeout));
}

fn show_admin(page: &mut Page, admin: &AdminConfig) {
    page.header("[admin]");
    page.text("listen", &admin.listen.to_string());
    page.bare("allow_insecure", &admin.allow_insecure.to_string());
    if !admin.allowed_hosts.is_empty() {
        page.texts("allowed_hosts", &admin.allowed_hosts);
    }
    if !admin.cors_origins.is_empty() {
        page.texts("cors_origins", &admin.cors_origins);
    }
    if !admin.basic_auth_users.is_empty() {
        let hidden = |user: &String| format!("{} = {}", name(user), quoted(HIDDEN));
        let users: Vec<String> = admin.basic_auth_users.keys().map(hidden).collect();
        page.bare("basic_auth_users", &format!("{{ {} }}", users.join(", ")));
    }
    if let Some(tls) = &admin.tls {
        page.header("[admin.tls]");
        page.path("cert_file", &tls.cert_file);
        page.path("key_file", &tls.key_file);
        if let Some(path) = &tls.client_ca_file {
            page.path("client_ca_file", path);
        }
    }
}
