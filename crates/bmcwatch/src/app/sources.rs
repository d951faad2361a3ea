//! From the sources of the config to those that are read, and their last good lists from one life to the next, as marks in
//! the journal: a restart while an inventory is down goes on watching.
//!
//! Not here: what is made of a refresh (`inventory`).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use collect::{
    Dependencies, Desired, HttpAccess, HttpSource, Place, Refresh, SourceSpec, Sources, TargetList, Wanted,
};
use journal::{AppendError, Batch, Journal, Mark, ReadError};
use model::{Secret, Uid};
use sink::NatsLogin;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    READERS_AGAIN, Steering, Tasks,
    inventory::{Census, Inventory, Lists},
};
use crate::{
    config::{Config, Opening, Refusal, SourceConfig, SourceKind, Unusable},
    descriptors, logging, systemd,
};

/// Whose marks they are. No endpoint has a blank in its id.
const SCOPE: &str = "target lists";

/// All sources, before anything is read.
pub(super) struct Begun {
    inventory: Inventory,
    places: Places,
    reading: Sources,
    refreshes: mpsc::Receiver<Refresh>,
}

/// The sources of a config, with what the last life knew of them, and what is to be watched until they say otherwise.
pub(super) async fn begin(config: &Config, with: &Dependencies) -> (Begun, Arc<Desired>) {
    let (mut inventory, lists) = (Inventory::default(), last_lists(&with.journal, config).await);
    inventory.configure(config, &lists);
    let (wanted, specs) = watch::channel((specs(config, &lists), 0));
    let (reading, refreshes) = Sources::new(specs, with.metrics.clone(), with.clock.clone());
    let lists = watch::Sender::new(lists);
    let places = Places { wanted, lists, metrics: with.metrics.clone(), largest: AtomicUsize::new(0) };
    let desired = places.census(&mut inventory, config);
    (Begun { inventory, places, reading, refreshes }, desired)
}

impl Begun {
    /// Starts reading, and keeping what was read.
    pub(super) fn start(
        self,
        tasks: &mut Tasks,
        journal: &Journal,
    ) -> (Inventory, Places, mpsc::Receiver<Refresh>) {
        let Self { inventory, places, reading, refreshes } = self;
        let stop = tasks.collectors.stop();
        tasks.collectors.spawn("sources", reading.run(stop));
        let stop = tasks.sinks.stop();
        tasks.sinks.spawn_mortal("target lists", keep(journal.clone(), places.lists.subscribe(), stop));
        (inventory, places, refreshes)
    }
}

/// Where endpoints come from beside the config: what is read, and what was had there.
pub(super) struct Places {
    wanted: watch::Sender<Wanted>,
    lists: watch::Sender<Lists>,
    metrics: collect::Metrics,
    /// How many endpoints there were at most.
    largest: AtomicUsize,
}

impl Places {
    /// What is to be watched, of the config and of the sources.
    pub(super) fn census(&self, inventory: &mut Inventory, config: &Config) -> Arc<Desired> {
        let Census { desired, counts } = inventory.census(config);
        for (source, count) in &counts {
            self.metrics.targets(source, *count);
        }
        let endpoints = desired.endpoints.len();
        if self.largest.fetch_max(endpoints, Relaxed) < endpoints {
            descriptors::check(endpoints);
        }
        Arc::new(desired)
    }

    /// Reads what this config names; sources that stay are refreshed at once.
    pub(super) fn reload(&self, config: &Config, lists: Lists) {
        let specs = specs(config, &lists);
        self.lists.send_replace(lists);
        self.wanted.send_modify(|wanted| *wanted = (specs, wanted.1 + 1));
    }
}

impl Steering {
    /// A source has said what it holds. Not a reload: those that it does not concern are left alone.
    pub(super) fn refreshed(&mut self, refresh: Refresh) {
        if !self.inventory.refreshed(&self.running, refresh) {
            return;
        }
        let desired = self.places.census(&mut self.inventory, &self.running);
        self.wish.send_modify(|wish| wish.desired = desired);
        self.places.lists.send_replace(self.inventory.lists());
        systemd::status(&self.status());
    }
}

/// The sources, as they are to be read.
fn specs(config: &Config, lists: &Lists) -> Arc<[SourceSpec]> {
    let spec = |source: &SourceConfig| {
        let refresh_interval = source.refresh_interval;
        let place = match &source.kind {
            SourceKind::Files(files) => Place::Files { files: files.clone(), refresh_interval },
            SourceKind::Http { url, opening } => {
                let opening = opening.clone();
                let opener = Arc::new(move || open(&opening).map_err(|unusable| reason(unusable.refusal)));
                Place::Http(HttpSource { url: url.clone(), refresh_interval, opener })
            }
        };
        let identity = source.identity();
        let last = lists.get(&identity).cloned().unwrap_or_default();
        let settings = source.shown();
        SourceSpec { name: source.name.as_str().into(), identity, settings, place, last }
    };
    config.sources.iter().map(spec).collect()
}

fn reason(Refusal { text, hint }: Refusal) -> String {
    hint.map_or(text.clone(), |hint| format!("{text}; {hint}"))
}

/// Reads what opens a source.
fn open(opening: &Opening) -> Result<HttpAccess, Unusable> {
    let access = opening.read()?.open(opening)?;
    let authorization = match access.login {
        NatsLogin::Token(token) => Some(format!("Bearer {}", token.expose())),
        NatsLogin::Password { username, password } => {
            Some(format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose()))))
        }
        // The other kinds are NATS' own: a source cannot name them.
        NatsLogin::None | NatsLogin::Nkey(_) | NatsLogin::Credentials(_) => None,
    };
    Ok(HttpAccess { authorization: authorization.map(Secret::new), tls: (*access.tls).clone() })
}

/// The lists that the last life has left. What cannot be read is told, and is missing.
async fn last_lists(journal: &Journal, config: &Config) -> Lists {
    let mut lists = Lists::new();
    for source in &config.sources {
        let identity = source.identity();
        match last_list(journal, &identity).await {
            Ok(Some(list)) => {
                let targets = list.targets();
                tracing::info!(source = source.name, targets, "source begins with its last good list");
                lists.insert(identity, list);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(source = source.name, error = %logging::Chain(&error), "source begins without its last good list");
            }
        }
    }
    lists
}

async fn last_list(journal: &Journal, identity: &str) -> Result<Option<TargetList>, LastListError> {
    let bytes = journal.mark(SCOPE, &mark(identity)).await?;
    Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}

/// The last good list of a source cannot be had.
#[derive(Debug, thiserror::Error)]
enum LastListError {
    /// The journal does not give it.
    #[error("read the last good list")]
    Read(#[from] ReadError),
    /// It is not what we write: another version did.
    #[error("understand the last good list")]
    Understand(#[from] serde_json::Error),
}

/// The name of a mark: a hash, because an address may be long.
fn mark(identity: &str) -> String {
    Uid::derive([identity.as_bytes()]).to_string()
}

/// Keeps what is in effect, whenever it changes, until `stop`. What could not be kept is tried again.
async fn keep(journal: Journal, mut lists: watch::Receiver<Lists>, stop: CancellationToken) {
    let mut kept = lists.borrow_and_update().clone();
    loop {
        match stop.run_until_cancelled(lists.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
        let now = lists.borrow_and_update().clone();
        for (identity, list) in &now {
            if kept.get(identity) == Some(list) {
                continue;
            }
            match append(&journal, identity, list).await {
                Ok(()) => drop(kept.insert(identity.clone(), list.clone())),
                Err(AppendError::Closed) => return,
                Err(error) => {
                    tracing::debug!(error = %logging::Chain(&error), "the last good list of a source was not kept");
                    if stop.run_until_cancelled(tokio::time::sleep(READERS_AGAIN)).await.is_none() {
                        return;
                    }
                    lists.mark_changed();
                }
            }
        }
    }
}

async fn append(journal: &Journal, identity: &str, list: &TargetList) -> Result<(), AppendError> {
    let value = serde_json::to_vec(list).expect("text under names that are text");
    let marks = vec![Mark { name: mark(identity), value }];
    journal.append(Batch { scope: SCOPE.into(), items: Vec::new(), marks }).await.map(drop)
}
