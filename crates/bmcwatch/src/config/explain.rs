//! What holds for one endpoint, and why: what `check-config --explain` prints.
//!
//! It tells where a password comes from, never the password.

use std::fmt::Write as _;

use redfish::{AuthMode, Trust};

use super::{Assigned, By, Config, Credentials, EndpointConfig, Match, PasswordSource, endpoints::auth_word};

const WRITTEN: &str = "as the endpoint says";
const DEFAULT: &str = "as by default";

pub(super) fn explain(config: &Config, endpoint: &EndpointConfig) -> String {
    let client = &endpoint.client;
    let mut page = format!("{}\n", endpoint.endpoint.id);
    let mut line = |name: &str, value: &str, why: &str| {
        writeln!(page, "  {name:<12} {value}: {why}").expect("a String takes everything");
    };
    let watched = config.share.takes(&endpoint.endpoint);
    let why = if watched { "by this process" } else { "`only` or `shard` of [discovery] leave it to others" };
    line("watched", if watched { "yes" } else { "no" }, why);
    explain_credentials(&mut line, config, endpoint);
    let origin = |is_default: bool| if is_default { DEFAULT } else { WRITTEN };
    line("auth", auth_word(client.auth), origin(client.auth == AuthMode::default()));
    line("trust", &client.trust.to_string(), origin(client.trust == Trust::default()));
    match endpoint.log_mode {
        Some(mode) => line("mode", mode.as_str(), "`log_mode` of the endpoint"),
        None => line("mode", config.logs.mode.as_str(), "`mode` of [collectors.logs]"),
    }
    page
}

fn explain_credentials(line: &mut impl FnMut(&str, &str, &str), config: &Config, endpoint: &EndpointConfig) {
    let Some(Assigned { name, by }) = &endpoint.credentials else {
        return line("credentials", "none", "`auth` is \"none\"");
    };
    let pattern = |one: &Credentials| one.matches.as_ref().map(ToString::to_string).unwrap_or_default();
    for one in config.credentials.iter().filter(|one| one.name == *name) {
        let why = match by {
            By::Endpoint => WRITTEN.to_owned(),
            By::Match => format!("its match fits best, {}", pattern(one)),
        };
        line("credentials", name, &why);
        line("username", &one.login.username, &format!("[credentials.{name}]"));
        match &one.source {
            PasswordSource::File(file) => {
                line("password", "***", &format!("in {}", file.written().display()));
            }
            PasswordSource::Variable(variable) => {
                line("password", "***", &format!("in the variable {variable}"));
            }
            PasswordSource::Inline => line("password", "***", "in the config file"),
        }
    }
    let why = match by {
        By::Endpoint => "matches too, but what the endpoint says wins",
        By::Match => "matches too, less narrowly",
    };
    for other in config.credentials.iter().filter(|one| one.name != *name && fits(one, endpoint)) {
        line("not", &other.name, &format!("{why}, {}", pattern(other)));
    }
}

fn fits(one: &Credentials, endpoint: &EndpointConfig) -> bool {
    let fits = |matches: &Match| matches.fit(&endpoint.endpoint, &endpoint.client.address).is_some();
    one.matches.as_ref().is_some_and(fits)
}
