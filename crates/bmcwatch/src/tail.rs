//! `bmcwatch tail`: follows the records of the running daemon and prints each when it comes. A connection that breaks is
//! made again, and goes on where it was.

mod incoming;

use std::{io, time::Duration};

use anyhow::{Context, bail};
use model::Clock;
use tokio::time::{sleep, timeout};

use crate::{
    admin_client::{AdminClient, path_with},
    cli::Tail,
    events, logging,
    printer::{Form, Printer},
    terminal,
};
use incoming::Incoming;

/// The daemon says something every 15 s; three times nothing, and the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The first wait before a connection is made again; doubled up to the longest.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
/// Who restarts a daemon should not have to wait longer to see it.
const AGAIN_LONGEST: Duration = Duration::from_secs(15);

/// Follows for ever, unless there is no daemon at the beginning.
pub(crate) async fn follow(daemon: AdminClient, asked: Tail, clock: Clock) -> anyhow::Result<()> {
    let mut parameters = events::parameters(&asked.chosen);
    parameters.extend(asked.after.map(|after| ("after", after.to_string())));
    let path = path_with("/api/v1/tail", &parameters)?;
    let mut printer = Printer::new(Form::asked(asked.json));
    let (mut last, mut again, mut reached) = (None, AGAIN_FIRST, false);
    loop {
        let before = last.clone();
        let failure = match followed(&daemon, &path, &mut last, &mut printer, &mut reached).await {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        if let Some(gone) = gone(&failure) {
            // Nobody reads any more.
            return if gone == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(failure) };
        }
        if !reached {
            return Err(failure);
        }
        if last != before {
            again = AGAIN_FIRST;
        }
        let at = clock.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        terminal::note(&format!("{at} {}; trying again", logging::Chain(failure.as_ref())));
        sleep(again).await;
        again = (again * 2).min(AGAIN_LONGEST);
    }
}

/// What standard output said, if it was that.
fn gone(failure: &anyhow::Error) -> Option<io::ErrorKind> {
    failure.downcast_ref::<io::Error>().map(io::Error::kind)
}

async fn followed(
    daemon: &AdminClient,
    path: &str,
    last: &mut Option<String>,
    printer: &mut Printer,
    reached: &mut bool,
) -> anyhow::Result<std::convert::Infallible> {
    let mut answer = daemon.follow(path, last.as_deref()).await?;
    if !std::mem::replace(reached, true) {
        printer.begin()?;
    }
    let mut incoming = Incoming::default();
    loop {
        let chunk = timeout(SILENCE_MAX, answer.chunk()).await;
        let chunk = chunk.context("the daemon says nothing any more")?;
        let Some(chunk) = chunk.context("read what the daemon sends")? else {
            bail!("the daemon has ended the connection")
        };
        let said = incoming.take(&chunk)?;
        printer.print(said.records.iter().map(String::as_str))?;
        if said.last.is_some() {
            *last = said.last;
        }
        for (name, data) in said.notices {
            match name.as_str() {
                "end" => bail!("the daemon has ended the connection: {data}"),
                "expired" => {
                    terminal::note(&format!("records are missing here, retention deleted them: {data}"));
                }
                _ => {}
            }
        }
    }
}
