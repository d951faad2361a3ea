//! The daemon's tasks by the phase in which they end. Every task is owned here and awaited; one that ends before it was
//! told to, and on which everything depends, ends the process.

use std::{collections::HashMap, future::Future, time::Duration};

use journal::Journal;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Died, deadline};

/// All tasks.
#[derive(Default)]
pub(super) struct Tasks {
    pub(super) collectors: Phase,
    pub(super) sinks: Phase,
    pub(super) journal: Phase,
    pub(super) admin: Phase,
}

/// Tasks that end together.
#[derive(Default)]
pub(super) struct Phase {
    tasks: JoinSet<()>,
    names: HashMap<Id, Task>,
    stop: CancellationToken,
}

#[derive(Clone, Copy)]
struct Task {
    name: &'static str,
    life: Life,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Its end is the end of the process.
    Essential,
    /// It may end by itself (a sink nobody reads, a watchdog that was not asked for), but it may not panic.
    Mortal,
}

impl Phase {
    /// What tells the tasks of this phase to end.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that everything depends on.
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.add(Task { name, life: Life::Essential }, task);
    }

    /// Starts a task that may end by itself.
    pub(super) fn spawn_mortal(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.add(Task { name, life: Life::Mortal }, task);
    }

    fn add(&mut self, task: Task, future: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(future).id();
        self.names.insert(id, task);
    }

    /// Waits until a task ends that must not.
    async fn died(&mut self) -> Died {
        loop {
            let Some(joined) = self.tasks.join_next_with_id().await else { std::future::pending().await };
            let id = joined.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
            let task = self.names.remove(&id).unwrap_or(Task { name: "a task", life: Life::Essential });
            match joined {
                Ok(_) if task.life == Life::Mortal => {}
                Ok(_) => return Died { task: task.name, how: "it returned".to_owned() },
                Err(error) => return Died { task: task.name, how: error.to_string() },
            }
        }
    }

    /// Tells the tasks to end and waits; what is not done in time is cut off.
    async fn end(&mut self, within: Duration, name: &'static str) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!(phase = name, ?within, "did not end in time and is cut off");
            self.tasks.shutdown().await;
        }
    }
}

impl Tasks {
    /// Waits until a task ends that must not.
    pub(super) async fn died(&mut self) -> Died {
        tokio::select! {
            died = self.collectors.died() => died,
            died = self.sinks.died() => died,
            died = self.journal.died() => died,
            died = self.admin.died() => died,
        }
    }

    /// Ends everything, each phase after what it depends on has nothing more to say.
    pub(super) async fn end(&mut self, journal: &Journal) {
        self.collectors.end(deadline::COLLECTORS, "collectors").await;
        self.sinks.end(deadline::SINKS, "sinks").await;
        journal.close();
        self.journal.end(deadline::JOURNAL, "journal").await;
        self.admin.end(deadline::ADMIN, "admin listener").await;
    }
}
