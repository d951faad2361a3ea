//! The arguments of `bmcwatch probe`.

use std::path::PathBuf;

use clap::Args;
use redfish::{Address, Trust};

/// What one BMC can do, without a daemon
///
/// Looks at the certificate, reads the service root, logs in, opens the event stream for some seconds, finds the log services
/// and reads the first page of each, logs out. One request at a time and one login. Without --trust, a certificate
/// that the machine's store does not believe ends the probe before any password is sent; the pin to compare and paste is
/// printed.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bmcwatch probe https://10.0.17.12           the certificate with its pin, and the service root; no login
  bmcwatch probe https://10.0.17.12 --trust pin:sha256/... --user monitor --password-file ./password
  bmcwatch probe https://10.0.17.12 --trust insecure --credentials dell --json | jq .logs

Exit codes:
  0  done    1  something could not be done; what could be is printed    2  wrong usage    78  a config that cannot be used")]
pub struct Probe {
    /// The URL of its Redfish service
    #[arg(value_name = "ADDRESS")]
    pub address: Address,
    /// Log in as this user
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// A file that holds the password
    #[arg(long, value_name = "PATH", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Log in with these credentials of the config file instead
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub credentials: Option<String>,
    /// Which certificate is believed: system, ca:PATH, pin:sha256/... or insecure
    #[arg(long, value_name = "TRUST", value_parser = trust)]
    pub trust: Option<Trust>,
    /// Write one JSON object
    #[arg(long)]
    pub json: bool,
}

fn trust(text: &str) -> Result<Trust, String> {
    match text.parse() {
        Ok(Trust::Tofu) => Err("a probe remembers no keys: take the pin that it prints".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}
