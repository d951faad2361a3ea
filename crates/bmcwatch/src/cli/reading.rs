//! What can be read with the program: `events`, `tail`, `sinks`, `journal`.

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use model::{Kind, Severity};

use crate::admin_client::Access;

/// Which records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Chosen {
    /// Observed since then: an age such as 2h, or a time such as 2026-11-20T14:02:09Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// At least as bad as this
    #[arg(long, value_name = "SEVERITY", value_parser = PossibleValuesParser::new(Severity::ALL.map(Severity::as_str)))]
    pub severity: Option<String>,
    /// Of this endpoint; * stands for any characters
    #[arg(long, value_name = "ID")]
    pub endpoint: Option<String>,
    /// Of this kind; more than once or with commas for several
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)))]
    pub kind: Vec<String>,
    /// With this message id; * stands for any characters
    #[arg(long, value_name = "ID")]
    pub message_id: Option<String>,
}

/// `bmcwatch events`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Events {
    /// Which records.
    #[command(flatten)]
    pub chosen: Chosen,
    /// Observed before then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many; without --since, the newest 100 when nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Print JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
    /// How to log in to the daemon.
    #[command(flatten)]
    pub access: Access,
}

/// `bmcwatch tail`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Tail {
    /// Which records.
    #[command(flatten)]
    pub chosen: Chosen,
    /// Begin after this position of the journal
    #[arg(long, value_name = "POSITION", conflicts_with = "since")]
    pub after: Option<u64>,
    /// Print JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
    /// How to log in to the daemon.
    #[command(flatten)]
    pub access: Access,
}

/// `bmcwatch sinks`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Sinks {
    /// How the table is asked for.
    #[command(flatten)]
    pub list: SinkList,
    /// What to do with them; a table of all when nothing is said.
    #[command(subcommand)]
    pub command: Option<SinksCommand>,
}

/// `bmcwatch sinks ...`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum SinksCommand {
    /// A table of all sinks (this is the default)
    List(SinkList),
    /// Records that a sink's peer refused for good
    ///
    /// They were put aside so that they hold up no other. The newest 1000 of each sink are kept in the journal.
    DeadLetters(DeadLetters),
}

/// `bmcwatch sinks list`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct SinkList {
    /// Print the daemon's own JSON
    #[arg(long)]
    pub json: bool,
    /// How to log in to the daemon.
    #[command(flatten)]
    pub access: Access,
}

/// `bmcwatch journal ...`
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum JournalCommand {
    /// What the journal holds, and where its readers are
    Stat {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read everything and say what is wrong with it; exit code 1 when something is
    Verify,
    /// Copy the journal as it is at this moment into a new file
    ///
    /// The daemon goes on meanwhile. The copy is a journal: as journal.db in an empty directory, a daemon can be started
    /// on it. The copy is verified.
    Backup {
        /// The file to make; it must not be there
        #[arg(value_name = "FILE")]
        path: PathBuf,
    },
}

/// `bmcwatch sinks dead-letters`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  bmcwatch sinks dead-letters                     what the peers of all sinks refused for good
  bmcwatch sinks dead-letters --sink loki --json  one JSON object a line, each with its whole record")]
pub struct DeadLetters {
    /// Only those of this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Print JSON lines, with the records
    #[arg(long)]
    pub json: bool,
    /// How to log in to the daemon.
    #[command(flatten)]
    pub access: Access,
}
