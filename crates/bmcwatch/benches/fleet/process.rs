//! What the kernel says of a process, and starting our own program again in another role.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::{Signal, kill},
};

use crate::runs;

/// Descriptors beside those of connections.
const OPEN_FILES_SPARE: u64 = 500;

/// CPU and memory of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time since its start, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// `VmRSS`, KiB.
    pub(crate) rss: u64,
    /// `RssAnon`, KiB: without the program's own pages and mapped files.
    pub(crate) anonymous: u64,
    /// Threads.
    pub(crate) threads: u64,
}

pub(crate) fn usage(id: u32) -> anyhow::Result<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("read a process' status")?;
    let number = |name: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("find a number")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    };
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("read a process' times")?;
    // The name in brackets may hold blanks; utime and stime are the 14th and 15th word of the line.
    let after_name = stat.rsplit_once(')').context("find the times")?.1;
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|word| word.parse::<u64>().unwrap_or(0)).sum();
    Ok(Usage {
        cpu: Duration::from_millis(ticks * 10),
        rss: number("VmRSS:")?,
        anonymous: number("RssAnon:")?,
        threads: number("Threads:")?,
    })
}

/// CPU that a process took since.
pub(crate) fn since(id: u32, before: &Usage) -> anyhow::Result<Duration> {
    Ok(usage(id)?.cpu.saturating_sub(before.cpu))
}

/// A point in time, for durations.
pub(crate) fn now() -> std::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "there is no runtime in this process")]
    std::time::Instant::now()
}

/// Every connection takes a descriptor on either side; children inherit the limit.
pub(crate) fn raise_open_files(endpoints: usize) -> anyhow::Result<()> {
    let wanted = 2 * endpoints as u64 + OPEN_FILES_SPARE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(());
    }
    // Only root may raise the hard limit; where that fails, as much as is allowed.
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        if hard < wanted - endpoints as u64 {
            bail!("{endpoints} endpoints need {wanted} open files and only {hard} are allowed (ulimit -n)");
        }
    }
    Ok(())
}

/// This program in another role, its input and output ours.
pub(crate) fn role(words: &[&str]) -> anyhow::Result<Child> {
    role_as(Command::new, words)
}

/// The same; `run` says how a program is run.
pub(crate) fn role_as(run: impl FnOnce(PathBuf) -> Command, words: &[&str]) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("find this program")?;
    let spawned = run(program).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    spawned.with_context(|| format!("start this program as {}", words[0]))
}

/// A program under callgrind.
pub(crate) fn counted(program: PathBuf) -> Command {
    let mut command = Command::new("valgrind");
    let out = format!("--callgrind-out-file={}", runs().join("callgrind.%p").display());
    command.args(["--tool=callgrind", "--quiet", &out]).arg(program);
    command
}

/// Where callgrind puts its `nth` count of a process.
pub(crate) fn counts(id: u32, nth: usize) -> PathBuf {
    runs().join(format!("callgrind.{id}.{nth}"))
}

/// Ends a process as a service manager does, and waits.
pub(crate) fn stop(child: &mut Child) -> anyhow::Result<()> {
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    kill(id, Signal::SIGTERM).context("stop a process")?;
    child.wait().context("wait for a process")?;
    Ok(())
}
