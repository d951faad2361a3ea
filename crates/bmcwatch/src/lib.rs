//! The program: command line, config, logging, and the wiring of the crates that do the work.
//!
//! Only this crate reads the environment, files of secrets and signals.

pub mod admin;
pub mod admin_client;
pub mod app;
pub mod cli;
pub mod config;
mod dead_letters;
pub mod demo;
mod descriptors;
pub mod endpoints;
mod events;
mod journal_file;
pub mod logging;
pub mod metrics;
mod printer;
mod probe;
pub mod run;
pub mod signals;
pub mod simulate;
mod sinks;
pub mod systemd;
mod tail;
mod terminal;

use std::{
    future::Future,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;

use admin_client::AdminClient;
use cli::{Ask, Cli, Command, ConfigCommand, EXIT_FAILURE, EndpointsCommand, SinksCommand};
use config::{Config, EXIT_CONFIG, Environment};
use model::Clock;
use printer::Form;

/// Threads of the runtime, one for each two cores and at most so many: 10,000 endpoints take less than one core, and each thread
/// more costs wake-ups between them, a fifth of what an event costs. The other cores are for the threads of the journal and of
/// sinks, and for whatever else runs there.
const WORKERS_MAX: usize = 4;

/// A thread that writes to a reader that does not read is not waited for at the end.
const RUNTIME_END: Duration = Duration::from_millis(200);

/// The whole program: reads the command line, does what it says, answers the exit code. Wrong usage ends the process
/// here, with code 2 and the reason on standard error.
pub fn run_main() -> ExitCode {
    let (config, command) = Cli::parse().asked();
    let done = match command {
        Command::CheckConfig(check) => {
            let paths = if check.paths.is_empty() { vec![config] } else { check.paths };
            let environment = check.secrets.environment();
            let (out, errors) = (&mut io::stdout(), &mut io::stderr());
            said(match check.explain {
                Some(id) => cli::explain(&paths, &id, &environment, out, errors),
                None => cli::check_config(&paths, &environment, out, errors),
            })
        }
        Command::Config(ConfigCommand::Show(show)) => {
            said(cli::config_show(&config, &show.secrets.environment(), &mut io::stdout(), &mut io::stderr()))
        }
        Command::Run => with_config(&config, &Environment::of_process(), |config, path, warnings| {
            run::run(path, config, warnings)
        }),
        // Whoever asks the daemon need not be able to read its secrets.
        Command::Ask(asked) => {
            with_config(&config, &Environment::of_process().without_secrets(), |config, _, _| {
                ask(config, asked)
            })
        }
        Command::Probe(asked) => probe::run_main(&asked, &config),
        Command::Demo(demo) => block_on(demo::run(demo)),
        Command::Simulate(simulate) => block_on(simulate::run(simulate)),
    };
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            drop(writeln!(io::stderr(), "bmcwatch: {}", logging::Chain(error.as_ref())));
            EXIT_FAILURE.into()
        }
    }
}

/// Asks the running daemon, or looks at its journal.
async fn ask(config: Config, asked: Ask) -> anyhow::Result<()> {
    let daemon = |access| AdminClient::new(&config.admin, &access);
    let done = match asked {
        Ask::Endpoints(cli::Endpoints { access, command }) => match command {
            None => endpoints::show(daemon(access)?).await,
            Some(EndpointsCommand::Retry { id, access }) => endpoints::retry(daemon(access)?, &id).await,
            Some(EndpointsCommand::Trust { id, access }) => endpoints::trust(daemon(access)?, &id).await,
        },
        Ask::Events(asked) => events::show(daemon(asked.access.clone())?, asked).await,
        Ask::Tail(asked) => tail::follow(daemon(asked.access.clone())?, asked, Clock::system()).await,
        Ask::Sinks(cli::Sinks { list, command }) => match command.unwrap_or(SinksCommand::List(list)) {
            SinksCommand::List(list) => sinks::show(daemon(list.access)?, Form::asked(list.json)).await,
            SinksCommand::DeadLetters(asked) => {
                dead_letters::show(daemon(asked.access.clone())?, &asked).await
            }
        },
        Ask::Journal(command) => journal_file::run(&config.journal.directory, command),
    };
    match done {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// The exit code of a command that only writes. The reader of a pipe may have gone; then there is nobody to tell.
fn said(done: io::Result<u8>) -> anyhow::Result<u8> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        done => Ok(done?),
    }
}

/// Runs something that needs a config; one with problems is reported whole and nothing is started.
fn with_config<'a, F, W>(path: &'a Path, environment: &Environment, work: F) -> anyhow::Result<u8>
where
    F: FnOnce(Config, &'a Path, Vec<config::Warning>) -> W,
    W: Future<Output = anyhow::Result<()>>,
{
    match Config::load(path, environment) {
        Ok((config, warnings)) => block_on(work(config, path, warnings)),
        Err(problems) => {
            drop(writeln!(io::stderr(), "{problems}"));
            Ok(EXIT_CONFIG)
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<u8> {
    let workers =
        std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, WORKERS_MAX));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_END);
    done.map(|()| 0)
}
