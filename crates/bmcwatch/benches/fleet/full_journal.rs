//! How soon the daemon is ready with a journal that holds a million records.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use journal::{Batch, Item, Journal, Location, Retention, When};
use model::Uid;

use crate::{bmcs::Bmcs, daemon::Daemon, process};

/// Records in the journal, of about this many bytes.
const RECORDS: u64 = 1_000_000;
const RECORD_BYTES: usize = 1_000;
/// Records of one commit.
const GROUP: u64 = 500;
/// Longer than this is a failure of the daemon, not a slow one.
const PATIENCE: Duration = Duration::from_mins(1);

/// Fills a journal, starts the daemon on it, and times it from its start to `/-/ready`.
pub(crate) fn time_to_ready(bmcs: &Bmcs, directory: &Path) -> anyhow::Result<Duration> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill(&directory.join("journal")))?;
    let begun = process::now();
    let daemon = Daemon::start(bmcs, 1, directory)?;
    if !daemon.is_ready_within(PATIENCE) {
        bail!("the daemon is not ready {PATIENCE:?} after its start with {RECORDS} records");
    }
    let took = begun.elapsed();
    daemon.stop()?;
    Ok(took)
}

/// Records that the sink has had; what stands in them is of no matter to a start.
async fn fill(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)?;
    let retention = Retention { max_age: Duration::MAX, max_size: u64::MAX };
    let location = Location::Directory(directory.to_owned());
    let (journal, writer) = Journal::open(location, retention, Arc::new(|| 0)).await?;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(writer.run());
    for first in (0..RECORDS).step_by(usize::try_from(GROUP)?) {
        let item = |number: u64| Item {
            key: Uid::derive([&number.to_le_bytes()[..]]).to_bytes(),
            twins: Vec::new(),
            bytes: Some(vec![b'x'; RECORD_BYTES]),
            when: When::Always,
        };
        let items = (first..first + GROUP).map(item).collect();
        journal.append(Batch { scope: "bmc".into(), items, marks: Vec::new() }).await?;
    }
    journal.acknowledge("records", RECORDS).await?;
    journal.close();
    tasks.join_next().await.context("end the writer")??;
    Ok(())
}
