//! Memory over an hour of a fleet whose streams break now and then, one in twenty each minute.

use std::{io::Write, time::Duration};

use anyhow::Context;

use crate::{bmcs::Bmcs, daemon::Daemon, process, say};

const MINUTE: Duration = Duration::from_mins(1);
/// In each minute the stream of one BMC in so many breaks, each time another's.
const NTH: usize = 20;
/// Memory is compared with that of this minute.
const BEGIN: u32 = 10;

/// Prints memory and CPU of every tenth minute, and the last against the tenth.
pub(crate) fn measure(endpoints: usize, minutes: u32) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("make a directory for journal and files")?;
    say(&format!("{endpoints} simulated BMCs for {minutes} minutes"));
    let bmcs = Bmcs::start(endpoints)?;
    let daemon = Daemon::start(&bmcs, endpoints, &scratch.path().join("all"))?;
    bmcs.wait_until_read(endpoints)?;
    let mut out = std::io::stdout().lock();
    let mut begin = process::usage(daemon.id())?;
    let mut last = begin;
    for minute in 1..=minutes {
        bmcs.cut(minute as usize % NTH, NTH)?;
        std::thread::sleep(MINUTE);
        let now = process::usage(daemon.id())?;
        if minute % BEGIN == 0 {
            let cpu =
                now.cpu.saturating_sub(last.cpu).as_secs_f64() / f64::from(BEGIN) / MINUTE.as_secs_f64();
            writeln!(out, "minute {minute}: {} kB resident, {:.1} % of a core", now.rss, cpu * 100.0)?;
            out.flush()?;
            last = now;
        }
        if minute == BEGIN {
            begin = now;
        }
    }
    let end = process::usage(daemon.id())?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = end.rss as f64 / begin.rss as f64;
    writeln!(out, "memory of minute {minutes} against minute {BEGIN}: {ratio:.3}")?;
    bmcs.wait_until_open(endpoints)?;
    daemon.stop()
}
