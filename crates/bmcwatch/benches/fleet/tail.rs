//! Follows a growing file of events and notes when each came to stand there, and how often.
//!
//! It looks for what the simulated BMCs write into each message: `at=<microseconds>; ... [b<BMC>-<n>]`. So it reads JSON
//! lines and raw stream blocks alike.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use model::Clock;

use crate::process;

/// Between two looks; it bounds how exact a latency is.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Without anything new for so long, nothing more comes. A burst on 10,000 sockets exhausts what the kernel has for TCP
/// (`tcp_mem`): it drops what was received, and the last senders wait for retransmissions, a minute and more.
const PATIENCE: Duration = Duration::from_mins(4);

pub(crate) struct Tail {
    path: PathBuf,
    file: Option<File>,
    clock: Clock,
    /// The unfinished rest of what was read.
    rest: Vec<u8>,
    /// Per BMC and event: how often it was seen.
    seen: Vec<Vec<u8>>,
    /// What each BMC had logged before: those belong to somebody else.
    before: Vec<u32>,
    total: usize,
    /// BMC, and microseconds from the moment it logged an event until its line was seen.
    waits: Vec<(usize, i64)>,
}

impl Tail {
    /// Follows what a file gets from now on; it need not be there yet.
    pub(crate) fn follow(path: &Path, logged: &[u32]) -> anyhow::Result<Self> {
        let mut file = File::open(path).ok();
        if let Some(file) = &mut file {
            file.seek(SeekFrom::End(0)).context("go to the end of a file")?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            clock: Clock::system(),
            rest: Vec::new(),
            seen: vec![Vec::new(); logged.len()],
            before: logged.to_vec(),
            total: 0,
            waits: Vec::new(),
        })
    }

    /// Reads until the file holds so many events.
    pub(crate) fn wait_for(&mut self, events: usize) -> anyhow::Result<()> {
        let mut newest = process::now();
        while self.total < events {
            if self.look()? {
                newest = process::now();
            } else if newest.elapsed() > PATIENCE {
                bail!("{} of {events} events are in {} and no more come", self.total, self.path.display());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// The middle of the times from BMC to file, and what one in a hundred exceeds, of the BMCs from `first` on, since this
    /// was asked last.
    pub(crate) fn latencies(&mut self, first: usize) -> (Duration, Duration) {
        let waits = std::mem::take(&mut self.waits).into_iter();
        let mut micros: Vec<i64> = waits.filter(|(bmc, _)| *bmc >= first).map(|(_, micros)| micros).collect();
        micros.sort_unstable();
        let at = |share: usize| {
            let micros = micros.get(micros.len() * share / 100).copied().unwrap_or(0);
            Duration::from_micros(micros.max(0).cast_unsigned())
        };
        (at(50), at(99))
    }

    /// Every event once, and nothing else.
    pub(crate) fn check(&self, logged: &[u32]) -> anyhow::Result<()> {
        for (bmc, seen) in self.seen.iter().enumerate() {
            let expected = (logged[bmc] - self.before[bmc]) as usize;
            if seen.len() != expected || seen.iter().any(|times| *times != 1) {
                let once = seen.iter().filter(|times| **times >= 1).count();
                let (missing, repeated) = (expected - once, seen.iter().filter(|times| **times > 1).count());
                bail!("BMC {bmc} logged {expected} events: {missing} are missing, {repeated} came twice");
            }
        }
        Ok(())
    }

    /// Reads what is new; whether there was any.
    fn look(&mut self) -> anyhow::Result<bool> {
        let file = match &mut self.file {
            Some(file) => file,
            none => match File::open(&self.path) {
                Ok(file) => none.insert(file),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error).context("follow a file"),
            },
        };
        let begun = self.rest.len();
        file.read_to_end(&mut self.rest).context("follow a file")?;
        let now = self.clock.now().timestamp_micros();
        if self.rest.len() == begun {
            return Ok(false);
        }
        let rest = std::mem::take(&mut self.rest);
        let mut left = rest.as_slice();
        while let Some((at, bmc, event, after)) = next_event(left) {
            left = after;
            self.waits.push((bmc, now - at));
            self.note(bmc, event)?;
        }
        self.rest = left.to_vec();
        Ok(true)
    }

    fn note(&mut self, bmc: usize, event: u32) -> anyhow::Result<()> {
        let before = *self.before.get(bmc).context("know a BMC of the file")?;
        let place = event.checked_sub(before + 1).context("an event of an earlier part")? as usize;
        let seen = &mut self.seen[bmc];
        if seen.len() <= place {
            seen.resize(place + 1, 0);
        }
        seen[place] = seen[place].saturating_add(1);
        self.total += 1;
        Ok(())
    }
}

/// The next event of a text that ends its records with a line feed: when, which BMC, its number, and what follows its
/// line.
fn next_event(text: &[u8]) -> Option<(i64, usize, u32, &[u8])> {
    let at = find(text, b"\"at=")? + 4;
    let semicolon = at + find(&text[at..], b";")?;
    let token = semicolon + find(&text[semicolon..], b" [b")? + 3;
    let end = token + find(&text[token..], b"]")?;
    let line = end + find(&text[end..], b"\n")? + 1;
    let token = std::str::from_utf8(&text[token..end]).ok()?;
    let (bmc, event) = token.split_once('-')?;
    let at = std::str::from_utf8(&text[at..semicolon]).ok()?.parse().ok()?;
    Some((at, bmc.parse().ok()?, event.parse().ok()?, &text[line..]))
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}
