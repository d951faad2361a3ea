//! The command line: what can be asked of the program, and the commands that need no daemon.
//!
//! Exit codes: 0 done, 1 failed, 2 usage, 78 a config that cannot be used. What the other commands do stands elsewhere.

mod check;
mod probe;
mod reading;

use std::{net::SocketAddr, path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};
use sim::Profile;

use crate::{
    admin_client::Access,
    config::{Environment, PATH_DEFAULT},
};
pub use check::{check_config, config_show, explain};
pub use probe::Probe;
pub use reading::{Chosen, DeadLetters, Events, JournalCommand, SinkList, Sinks, SinksCommand, Tail};

/// Exit code of a command that failed.
pub const EXIT_FAILURE: u8 = 1;

/// Most simulated endpoints of one process: each takes a port.
const SIMULATED_MAX: u32 = 20_000;

/// The version and the git revision that it was built from.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let revision = option_env!("BMCWATCH_REVISION").unwrap_or("unknown");
    format!("{} (revision {revision})", env!("CARGO_PKG_VERSION"))
});

const EXAMPLES: &str = "\
Examples:
  bmcwatch demo                           32 simulated BMCs and the daemon on them; nothing to set up
  bmcwatch check-config bmcwatch.toml     every problem of a config file, each with its place
  bmcwatch --config bmcwatch.toml         watch the BMCs that it names
  bmcwatch endpoints                      what the running daemon says of each BMC
  bmcwatch events --since 2h              what the BMCs logged in the last two hours
  bmcwatch tail --severity warning        what they log from now on
  bmcwatch probe https://10.0.17.12       what a BMC can do, and the pin of its key

Exit codes:
  0  done    1  failed    2  wrong usage    78  a config that cannot be used";

/// Watches the event logs of Redfish BMCs.
///
/// bmcwatch watches thousands of Redfish BMCs and carries every hardware event that they log to where operators look,
/// exactly once into its journal and at least once to every sink.
#[derive(Debug, Parser)]
#[command(name = "bmcwatch", version = VERSION.as_str(), after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// The config file
    #[arg(long, global = true, value_name = "PATH", default_value = PATH_DEFAULT)]
    pub config: PathBuf,

    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// The config file, and what to do.
    pub fn asked(self) -> (PathBuf, Command) {
        (self.config, self.command.unwrap_or(Command::Run))
    }
}

/// What the program can do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Watch the BMCs of the config file (this is the default)
    ///
    /// Runs until SIGTERM or SIGINT, then closes its sessions on the BMCs and ends. SIGHUP reads the config file again;
    /// a file with problems changes nothing.
    #[command(after_help = "\
Examples:
  bmcwatch run --config /etc/bmcwatch/bmcwatch.toml
  RUST_LOG=info,collect=debug bmcwatch run        more of the program's own log, for this start only")]
    Run,
    /// A simulated fleet and the daemon on it; nothing to set up
    ///
    /// Everything runs in this process and ends with it; no config file is read and nothing is left behind.
    Demo(Demo),
    /// Serve simulated BMCs over HTTPS, to try a config or another tool on
    Simulate(Simulate),
    /// Check config files and report every problem at once
    ///
    /// Prints `PATH: ok (N endpoints, M sinks)` for each file without problems, and every problem of the others to standard
    /// error: line and column, the key, what is wrong, and the way out. Nothing is contacted. Exit code 78 when a file
    /// has problems.
    CheckConfig(CheckConfig),
    /// Show the config
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What is asked of the running daemon, or of its journal.
    #[command(flatten)]
    Ask(Ask),
    /// What one BMC can do, without a daemon
    Probe(Probe),
}

/// What is asked of the running daemon, or of its journal's file.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Ask {
    /// What the running daemon says of each endpoint
    ///
    /// Asks the admin listener that the config file names; over TLS, believes the certificate that the file names.
    #[command(after_help = "\
Examples:
  bmcwatch endpoints
  bmcwatch endpoints retry r17-u12                  log in and read now, whatever it is waiting for
  bmcwatch endpoints trust r17-u12                  accept the key of its renewed certificate
  bmcwatch endpoints --config /etc/bmcwatch/bmcwatch.toml
  bmcwatch endpoints --username ada --password-file ~/.bmcwatch-password")]
    Endpoints(Endpoints),
    /// Records of the running daemon's journal, oldest first
    #[command(after_help = "\
Examples:
  bmcwatch events                                   the newest 100
  bmcwatch events --since 2h --severity warning     what needs attention since two hours ago
  bmcwatch events --endpoint 'r17-*' --kind gap,cleared --limit 20
  bmcwatch events --since 24h --json | jq -r .message_id | sort | uniq -c")]
    Events(Events),
    /// Follow the records of the running daemon as they come
    ///
    /// Until Ctrl-C. A connection that breaks is made again and goes on where it was: nothing is missed, nothing comes
    /// twice.
    #[command(after_help = "\
Examples:
  bmcwatch tail
  bmcwatch tail --severity critical --endpoint 'r17-*'
  bmcwatch tail --since 10m --json")]
    Tail(Tail),
    /// What the running daemon's sinks are doing
    #[command(after_help = "\
Examples:
  bmcwatch sinks
  bmcwatch sinks --json")]
    Sinks(Sinks),
    /// Look at the journal's file and copy it, whether the daemon runs or not
    ///
    /// The config file says where it is. Nothing is ever written into it.
    #[command(
        subcommand,
        after_help = "\
Examples:
  bmcwatch journal stat
  bmcwatch journal verify
  bmcwatch journal backup /var/backups/bmcwatch-journal.db"
    )]
    Journal(JournalCommand),
}

/// `bmcwatch endpoints`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Endpoints {
    /// How to log in to the daemon.
    #[command(flatten)]
    pub access: Access,
    /// What to do with one of them; a table of all when nothing is said.
    #[command(subcommand)]
    pub command: Option<EndpointsCommand>,
}

/// `bmcwatch endpoints ...`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum EndpointsCommand {
    /// Forget that logins of an endpoint were refused, and try it now
    ///
    /// For an endpoint in the state `auth_failed` whose account was put right, and for one in `backoff` that need not be
    /// waited for. A password that is still wrong counts at the BMC as two more wrong logins.
    Retry {
        /// The endpoint's id
        #[arg(value_name = "ENDPOINT")]
        id: String,
        /// How to log in to the daemon.
        #[command(flatten)]
        access: Access,
    },
    /// Accept the key that an endpoint shows and that is refused
    ///
    /// For an endpoint with trust = "tofu" whose certificate was renewed. What is accepted is the key that the daemon
    /// refused and told in its log; compare it with the BMC's own first.
    Trust {
        /// The endpoint's id
        #[arg(value_name = "ENDPOINT")]
        id: String,
        /// How to log in to the daemon.
        #[command(flatten)]
        access: Access,
    },
}

/// `bmcwatch config ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Print the effective config as TOML: every default filled in, passwords as ***
    #[command(after_help = "\
Examples:
  bmcwatch config show
  bmcwatch config show --config example/minimal.toml --no-secrets")]
    Show(Show),
}

/// `bmcwatch config show`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Show {
    /// Whether secrets are at hand.
    #[command(flatten)]
    pub secrets: Secrets,
}

/// `bmcwatch demo`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bmcwatch demo                               a table of records on the terminal, until Ctrl-C
  bmcwatch demo --json --duration 30s | jq    JSON lines, for half a minute
  bmcwatch demo --endpoints 1000 --seed 7     another fleet; the same seed gives the same one")]
pub struct Demo {
    /// Write records as JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
    /// How many simulated BMCs
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=i64::from(SIMULATED_MAX)))]
    pub endpoints: u32,
    /// Decides what the simulated BMCs do
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End after this time, such as 30s or 5m; without it, at Ctrl-C
    #[arg(long, value_name = "D", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
}

/// `bmcwatch simulate`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bmcwatch simulate --endpoints 4             BMCs on 127.0.0.1:18000 to 127.0.0.4:18000, and a config for them
  curl -k https://127.0.0.1:18000/redfish/v1/ what the first of them says
  bmcwatch simulate --flavour ilo5 --flavour idrac9 --endpoints 2
                                              one of each, with the habits of that vendor's logs")]
pub struct Simulate {
    /// How many simulated BMCs
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=i64::from(SIMULATED_MAX)))]
    pub endpoints: u32,
    /// Decides what the simulated BMCs do
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Serve only BMCs of this kind; given more than once, they come in turn
    #[arg(long = "flavour", value_name = "NAME", value_parser = PossibleValuesParser::new(Profile::flavours().iter().map(|(name, _)| *name)))]
    pub flavours: Vec<String>,
    /// Address and port of the first BMC; the others take the addresses behind it; port 0 means any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:18000")]
    pub listen: SocketAddr,
}

/// `bmcwatch check-config`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bmcwatch check-config                             the file that the daemon would use
  bmcwatch check-config --explain r17-u12           which credentials, trust, auth and mode that endpoint gets, and why
  bmcwatch check-config --no-secrets example/*.toml away from the machine that has the secrets")]
pub struct CheckConfig {
    /// The files; without one, the file of --config
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print what holds for this endpoint, and why; exit code 1 when there is no such endpoint
    #[arg(long, value_name = "ENDPOINT")]
    pub explain: Option<String>,
    /// Whether secrets are at hand.
    #[command(flatten)]
    pub secrets: Secrets,
}

/// Whether this is the machine that has the secrets of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Secrets {
    /// Do without password files and environment variables that are not here
    ///
    /// For use away from the machine that the file is for: password files are not read, and a variable that is not
    /// set reads as "unset". Everything else is checked.
    #[arg(long)]
    no_secrets: bool,
}

impl Secrets {
    /// The environment of this process, as far as it matters.
    pub fn environment(self) -> Environment {
        let environment = Environment::of_process();
        if self.no_secrets { environment.without_secrets() } else { environment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavours_are_asked_for_by_name_in_their_order_and_an_unknown_one_is_told_the_names() {
        let parse = |arguments: &[&str]| {
            let all = ["bmcwatch", "simulate"].iter().chain(arguments);
            Cli::try_parse_from(all).map(|cli| cli.asked().1)
        };
        match parse(&["--flavour", "ilo5", "--flavour", "idrac9"]) {
            Ok(Command::Simulate(asked)) => assert_eq!(asked.flavours, ["ilo5", "idrac9"]),
            other => panic!("{other:?}"),
        }
        let told = parse(&["--flavour", "ilo3"]).unwrap_err().to_string();
        assert!(Profile::flavours().iter().all(|(name, _)| told.contains(name)), "{told}");
    }
}
