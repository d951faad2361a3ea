//! What the sources of endpoints have said, as it is in effect: their lists, the endpoints made of them, and drops that wait
//! for a second opinion.
//!
//! It takes refreshes over and says what is to be told, without I/O. Not here: reading (crate `collect`), what a target
//! becomes and who keeps an id (`config`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use collect::{Desired, Moment, Refresh, TargetList, Verdict, judge};
use model::{EndpointId, Secret};
use tokio::time::Instant;

use super::CONFIG_LINES_MAX;
use crate::config::{Config, EndpointConfig, Problem, Resolved, change_passwords};

/// The lists of sources, by their identities.
pub(super) type Lists = BTreeMap<String, TargetList>;

/// All sources of a config.
#[derive(Default)]
pub(super) struct Inventory {
    sources: Vec<Source>,
    /// What was told of targets, so that it is told once.
    told: BTreeSet<String>,
}

struct Source {
    name: Arc<str>,
    identity: String,
    /// What is in effect.
    list: TargetList,
    endpoints: Vec<EndpointConfig>,
    /// What was found wrong with its targets.
    problems: Vec<Problem>,
    /// Since when a drop waits.
    pending: Option<Instant>,
}

/// What a pass over all sources yields.
pub(super) struct Census {
    /// What is to be watched.
    pub(super) desired: Desired,
    /// How many endpoints of each source.
    pub(super) counts: Vec<(String, usize)>,
}

impl Inventory {
    /// The sources of a config: those that were there before keep their lists, others have the one of `lists`. Everything
    /// is looked at with the eyes of this config.
    pub(super) fn configure(&mut self, config: &Config, lists: &Lists) {
        let mut before: Vec<Source> = std::mem::take(&mut self.sources);
        for source in &config.sources {
            let identity = source.identity();
            let known = before.iter().position(|one| one.identity == identity);
            let (list, pending) = match known.map(|at| before.swap_remove(at)) {
                Some(one) => (one.list, one.pending),
                None => (lists.get(&identity).cloned().unwrap_or_default(), None),
            };
            let Resolved { endpoints, problems } = config.resolve(&list);
            let name = source.name.as_str().into();
            self.sources.push(Source { name, identity, list, endpoints, problems, pending });
        }
    }

    /// Takes a refresh over; whether anything has changed.
    pub(super) fn refreshed(&mut self, config: &Config, refresh: Refresh) -> bool {
        let Refresh { source, identity, list, moment } = refresh;
        // What was found before a reload may be another source's.
        let known = self.sources.iter_mut().find(|one| one.name == source && one.identity == identity);
        known.is_some_and(|known| known.take(config, list, moment))
    }

    /// Puts other passwords in the place of those that were read; answers how many endpoints have them.
    pub(super) fn change_passwords(&mut self, changed: &BTreeMap<String, Secret>) -> usize {
        self.sources.iter_mut().map(|source| change_passwords(&mut source.endpoints, changed)).sum()
    }

    /// What is to be watched now. Tells what is wrong with targets, once.
    pub(super) fn census(&mut self, config: &Config) -> Census {
        let sources: Vec<(&str, &[EndpointConfig])> =
            self.sources.iter().map(|source| (&*source.name, &source.endpoints[..])).collect();
        let fleet = config.fleet(&sources);
        let wrong = self.sources.iter().flat_map(|source| &source.problems).chain(&fleet.problems);
        let wrong: BTreeSet<String> = wrong.map(ToString::to_string).collect();
        let counts = fleet.counts.iter().map(|(source, count)| ((*source).to_owned(), *count)).collect();
        let desired = config.desired_of(&fleet);
        tell(wrong.difference(&self.told));
        self.told = wrong;
        Census { desired, counts }
    }

    /// What is in effect, to be kept for the next life.
    pub(super) fn lists(&self) -> Lists {
        self.sources.iter().map(|source| (source.identity.clone(), source.list.clone())).collect()
    }
}

impl Source {
    fn take(&mut self, config: &Config, list: TargetList, moment: Moment) -> bool {
        if list == self.list && self.pending.is_none() {
            return false;
        }
        let Resolved { endpoints, problems } = config.resolve(&list);
        let (before, after) = (ids(&self.endpoints), ids(&endpoints));
        let verdict;
        (verdict, self.pending) = judge(&before, &after, self.pending, moment);
        let (has, listed) = (before.len(), after.len());
        let (added, removed) = (after.difference(&before).count(), before.difference(&after).count());
        let source = &*self.name;
        match verdict {
            Verdict::Take => tracing::info!(source, endpoints = listed, added, removed, "source has changed"),
            Verdict::TakenBack => tracing::warn!(source, endpoints = listed, added, removed, "{TAKEN_BACK}"),
            Verdict::Confirmed(dropped) => {
                tracing::warn!(source, dropped, had = has, endpoints = listed, "{CONFIRMED}");
            }
            Verdict::Held(dropped) => {
                let again = moment.interval;
                tracing::warn!(source, would_drop = dropped, of = has, would_have = listed, confirms_in = ?again, "{HELD}");
                return false;
            }
            Verdict::StillHeld => return false,
        }
        (self.list, self.endpoints, self.problems) = (list, endpoints, problems);
        true
    }
}

const HELD: &str = "a refresh would drop more than half of the source's endpoints; it takes effect when the next one agrees, or after a reload";
const CONFIRMED: &str =
    "the source dropped more than half of its endpoints, and the next refresh agreed: they are gone";
const TAKEN_BACK: &str = "the source no longer drops more than half of its endpoints: nothing was dropped";

fn ids(endpoints: &[EndpointConfig]) -> BTreeSet<&EndpointId> {
    endpoints.iter().map(|config| &config.endpoint.id).collect()
}

/// Writes what is wrong with targets to the log; the same mistake in 10,000 of them is not worth 10,000 lines.
fn tell<'a>(news: impl Iterator<Item = &'a String>) {
    let mut more = 0_usize;
    for (number, problem) in news.enumerate() {
        if number < CONFIG_LINES_MAX {
            tracing::warn!(problem, "target of a source");
        } else {
            more += 1;
        }
    }
    if more > 0 {
        tracing::warn!(more, "more targets with problems; `bmcwatch check-config` shows those in files");
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use collect::{Occasion, TargetGroup, TargetPart};

    use super::*;
    use crate::config::Environment;

    fn config(more: &str) -> Config {
        let text = format!(
            "[[discovery.file_sd]]\nfiles = [\"/a\"]\n[[discovery.file_sd]]\nfiles = [\"/b\"]\n{more}\n\
             [credentials.all]\nusername = \"u\"\npassword_env = \"PASSWORD\"\nmatch.endpoints = [\"*\"]\n"
        );
        let variables = BTreeMap::from([("PASSWORD".to_owned(), "s3cret".to_owned())]);
        Config::parse(Path::new("x"), &text, &Environment::of(variables)).unwrap().0
    }

    fn list(targets: &str) -> TargetList {
        let targets = targets.split_whitespace().map(str::to_owned).collect();
        let group = TargetGroup { targets, labels: BTreeMap::new() };
        TargetList([TargetPart { origin: "/a".into(), groups: [group].into() }].into())
    }

    fn refresh(config: &Config, number: usize, targets: &str, occasion: Occasion) -> Refresh {
        let source = &config.sources[number];
        let moment = Moment { occasion, now: Instant::now(), interval: Duration::from_mins(1) };
        Refresh {
            source: source.name.as_str().into(),
            identity: source.identity(),
            list: list(targets),
            moment,
        }
    }

    fn watched(inventory: &mut Inventory, config: &Config) -> String {
        let desired = inventory.census(config).desired;
        let ids: Vec<&str> = desired.endpoints.iter().map(|spec| spec.endpoint.id.as_str()).collect();
        ids.join(" ")
    }

    #[test]
    fn a_refresh_changes_its_own_source_and_the_same_again_changes_nothing() {
        let config = config("");
        let mut inventory = Inventory::default();
        inventory.configure(&config, &Lists::new());
        assert_eq!(watched(&mut inventory, &config), "");
        assert!(inventory.refreshed(&config, refresh(&config, 0, "a b", Occasion::Regular)));
        assert!(inventory.refreshed(&config, refresh(&config, 1, "c b", Occasion::Regular)));
        assert_eq!(watched(&mut inventory, &config), "a b c");
        assert!(!inventory.refreshed(&config, refresh(&config, 1, "c b", Occasion::Regular)));
        let counts = inventory.census(&config).counts;
        let counts: Vec<(&str, usize)> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(counts, [("static", 0), ("file_sd/0", 2), ("file_sd/1", 1)]);
        // The second has the endpoint alone now.
        assert!(inventory.refreshed(&config, refresh(&config, 0, "a", Occasion::Change)));
        assert_eq!(watched(&mut inventory, &config), "a c b");
    }

    #[test]
    fn a_drop_of_more_than_half_waits_and_so_does_what_came_with_it() {
        let config = config("");
        let mut inventory = Inventory::default();
        inventory.configure(&config, &Lists::new());
        inventory.refreshed(&config, refresh(&config, 0, "a b c", Occasion::Regular));
        assert!(!inventory.refreshed(&config, refresh(&config, 0, "a d", Occasion::Change)));
        assert!(!inventory.refreshed(&config, refresh(&config, 0, "a d", Occasion::Change)));
        assert_eq!(watched(&mut inventory, &config), "a b c");
        assert_eq!(inventory.lists().values().map(TargetList::targets).sum::<usize>(), 3);
        assert!(inventory.refreshed(&config, refresh(&config, 0, "a d", Occasion::Asked)));
        assert_eq!(watched(&mut inventory, &config), "a d");
        // What cannot be used any more drops an endpoint too.
        assert!(!inventory.refreshed(&config, refresh(&config, 0, "a/x d/x", Occasion::Change)));
        // Back at what it was: nothing has changed, and nothing is pending.
        assert!(inventory.refreshed(&config, refresh(&config, 0, "a d", Occasion::Change)));
        assert!(!inventory.refreshed(&config, refresh(&config, 0, "", Occasion::Asked)));
    }

    #[test]
    fn a_reload_keeps_the_lists_of_sources_that_stay_and_forgets_the_others() {
        let old = config("");
        let mut inventory = Inventory::default();
        inventory.configure(&old, &Lists::new());
        inventory.refreshed(&old, refresh(&old, 0, "a", Occasion::Regular));
        inventory.refreshed(&old, refresh(&old, 1, "b", Occasion::Regular));
        let late = refresh(&old, 1, "b late", Occasion::Regular);
        let mut new = config("");
        new.sources.remove(0);
        new.sources[0].name = "file_sd/0".to_owned();
        inventory.configure(&new, &Lists::new());
        assert_eq!(watched(&mut inventory, &new), "b");
        assert!(!inventory.refreshed(&new, late), "it was found before the reload");
    }

    #[test]
    fn the_lists_of_the_last_life_hold_until_a_source_says_otherwise() {
        let config = config("[[discovery.http_sd]]\nurl = \"http://127.0.0.1:1/\"\n");
        let lists = Lists::from([(config.sources[2].identity(), list("a b"))]);
        let mut inventory = Inventory::default();
        inventory.configure(&config, &lists);
        assert_eq!(watched(&mut inventory, &config), "a b");
        // The first refresh of a life is no second opinion.
        assert!(!inventory.refreshed(&config, refresh(&config, 2, "", Occasion::Regular)));
        assert_eq!(watched(&mut inventory, &config), "a b");
    }
}
