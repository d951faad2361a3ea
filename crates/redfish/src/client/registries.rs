//! The texts of entries that have a MessageId and no Message (T50), from the BMC's own message registry.
//!
//! It costs requests only where a text is missing and the registry is not known yet, one at a time behind the page's own,
//! and whatever goes wrong costs only the text: the entry is then told by its id and arguments. Not here: what a registry
//! says (`registry`), and the shelf that all clients share (`registries`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{Facts, Severity};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::Client;
use crate::{
    Entry, Operation, RequestError, RequestErrorKind, ServiceRoot, json,
    registries::{Found, Lack},
    registry::{Fit, Registry, RegistryId},
    text,
};

/// Registries fetched for one page. A log speaks the language of one or two.
const REGISTRIES_PER_PAGE_MAX: usize = 4;
/// Registry files looked at for one registry; more names like it are a broken BMC's.
const FILES_MAX: usize = 4;
/// Fetches from one BMC in an hour: one that invents registries must not be kept busy.
const FETCHES_PER_HOUR_MAX: u32 = 16;
const HOUR: Duration = Duration::from_hours(1);
/// No further request for a registry is begun after this time.
const FETCH_DEADLINE: Duration = Duration::from_mins(1);
/// How long a page waits while another client fetches the registry it needs.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What one client knows of its BMC's registries.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Link to the Registries, once the service root was read.
    link: Option<String>,
    /// The current hour of fetches, and how many there were.
    hour: Option<(Instant, u32)>,
}

impl Source {
    /// Where to ask, if another fetch is allowed.
    fn begin(&mut self, now: Instant) -> Option<String> {
        let link = self.link.clone()?;
        let (begun, fetches) = self.hour.filter(|(begun, _)| now - *begun < HOUR).unwrap_or((now, 0));
        self.hour = Some((begun, fetches + 1));
        (fetches < FETCHES_PER_HOUR_MAX).then_some(link)
    }
}

impl Client {
    pub(super) fn remember_registries(&self, root: &ServiceRoot) {
        self.source().link.clone_from(&root.registries);
    }

    /// Gives the entries that came without a text the one of their registry.
    pub(super) async fn reword(&self, entries: &mut [Entry]) {
        let wanted: BTreeSet<RegistryId> =
            entries.iter().filter_map(|entry| wanted(&entry.facts)).map(|(id, _)| id).collect();
        let mut known = BTreeMap::new();
        for id in wanted.into_iter().take(REGISTRIES_PER_PAGE_MAX) {
            if let Some(registry) = self.registry(&id).await {
                known.insert(id, registry);
            }
        }
        if known.is_empty() {
            return;
        }
        for entry in entries {
            reword(&mut entry.facts, &known);
        }
    }

    /// The registry, from the shelf or from the BMC.
    async fn registry(&self, id: &RegistryId) -> Option<Arc<Registry>> {
        let shared = self.metrics.registries();
        let gate = match shared.find(id, Instant::now()) {
            Found::Known(registry) => return Some(registry),
            Found::Missing => return None,
            Found::Unknown(gate) => gate,
        };
        let _fetching = timeout(WAIT_MAX, gate.lock()).await.ok()?;
        match shared.find(id, Instant::now()) {
            Found::Known(registry) => return Some(registry),
            Found::Missing => return None,
            Found::Unknown(_) => {}
        }
        let link = self.source().begin(Instant::now())?;
        match self.fetch(id, &link).await {
            Ok(Some(registry)) => Some(shared.keep(id, registry)),
            Ok(None) => {
                shared.lack(id, Lack::Unlisted, Instant::now());
                None
            }
            Err(_) => {
                shared.lack(id, Lack::Unread, Instant::now());
                None
            }
        }
    }

    /// The registry, by the BMC's own list; `None` when that does not have it.
    async fn fetch(&self, id: &RegistryId, link: &str) -> Result<Option<Registry>, RequestError> {
        let begun = Instant::now();
        let path = self.path_of(Operation::Logs, "/redfish/v1/", link)?;
        let (list, base) = self.document(Operation::Logs, path).await?;
        let members = list.get("Members").and_then(Value::as_array).into_iter().flatten();
        let mut links: Vec<String> = members.filter_map(json::link).collect();
        links.sort_by_key(|link| id.rank(link));
        let mut best: Option<(Fit, String)> = None;
        for link in links.iter().take(FILES_MAX) {
            let Ok(path) = self.path_of(Operation::Logs, &base, link) else { continue };
            if begun.elapsed() > FETCH_DEADLINE {
                break;
            }
            let (file, base) = match self.document(Operation::Logs, path).await {
                Ok(read) => read,
                Err(error) if matches!(error.kind, RequestErrorKind::Status { .. }) => continue,
                Err(error) => return Err(error),
            };
            let name = json::string(&file, "Registry").or_else(|| json::string(&file, "Id"));
            let Some(fit) = name.and_then(|name| id.fit(&name)) else { continue };
            let Some(found) = location(&file).and_then(|uri| self.path_of(Operation::Logs, &base, &uri).ok())
            else {
                continue;
            };
            if best.as_ref().is_none_or(|(other, _)| fit > *other) {
                best = Some((fit, found));
            }
            if fit == Fit::Exact {
                break;
            }
        }
        let Some((_, path)) = best else { return Ok(None) };
        let answer = self.get(Operation::Logs, path).await?;
        let registry = Registry::decode(&answer.body);
        registry.map(Some).map_err(|why| {
            super::exchange::request_error(Operation::Logs, &answer.path, RequestErrorKind::Decode(why))
        })
    }
}

/// The registry and key that the text of this should come from: it has a MessageId of that form, and no text but what we
/// made of it.
fn wanted(facts: &Facts) -> Option<(RegistryId, &str)> {
    let message_id = facts.message_id.as_deref()?;
    let found = RegistryId::of(message_id)?;
    let made = text::message(None, Some(message_id), &facts.message_args);
    (facts.message == made).then_some(found)
}

fn reword(facts: &mut Facts, known: &BTreeMap<RegistryId, Arc<Registry>>) {
    let Some((id, key)) = wanted(facts) else { return };
    let Some(wording) = known.get(&id).and_then(|registry| registry.wording(key)) else { return };
    let Some(message) = wording.with(&facts.message_args) else { return };
    let severity = wording.severity;
    facts.message = message;
    if facts.severity == Severity::Unknown {
        facts.severity = severity;
    }
}

/// Where the file is on this BMC; the English one, where there are several. `PublicationUri` leads to the internet and
/// is not followed.
fn location(file: &Value) -> Option<String> {
    let all = match file.get("Location")? {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let english = |location: &&Value| {
        json::string(location, "Language").is_none_or(|language| {
            language.eq_ignore_ascii_case("default")
                || language.get(..2).is_some_and(|begin| begin.eq_ignore_ascii_case("en"))
        })
    };
    let uri = |location: &Value| {
        let uri = location.get("Uri")?;
        // iLO before Redfish 1.0 wrote `{"extref": ..}`.
        json::link(uri.get("extref").unwrap_or(uri))
    };
    all.iter().filter(english).find_map(uri).or_else(|| all.iter().find_map(uri))
}
