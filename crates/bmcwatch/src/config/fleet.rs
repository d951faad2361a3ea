//! All endpoints in one: those of the config file and those of every source, each id once, and of these the share of this
//! process.
//!
//! Who has an id first keeps it: the config file, then the sources in its order. Not here: what a target becomes
//! (`target`), and whether a refresh takes effect (crate `collect`).

use std::{
    collections::{HashMap, hash_map::Entry},
    path::PathBuf,
};

use model::EndpointId;
use redfish::Address;

use super::{Config, EndpointConfig, problem::Problem};

/// What the config file's own list is called, in metrics and in the log.
pub(crate) const OWN_LIST: &str = "static";

/// The endpoints of all.
#[derive(Debug)]
pub struct Fleet<'a> {
    /// Those that this process takes, the config file's first.
    pub taken: Vec<&'a EndpointConfig>,
    /// How many of them each source has, the config file's own list first.
    pub counts: Vec<(&'a str, usize)>,
    /// Endpoints that are not watched because another one has their id, and BMCs that are read twice.
    pub problems: Vec<Problem>,
}

/// Who has an id or an address.
#[derive(Default)]
struct Owners<'a> {
    /// The names of the sources.
    ids: HashMap<&'a EndpointId, &'a str>,
    /// The ids of the endpoints.
    addresses: HashMap<&'a Address, &'a EndpointId>,
}

impl Config {
    /// The endpoints of this file and of the sources, by their names and in their order.
    pub fn fleet<'a>(&'a self, sources: &[(&'a str, &'a [EndpointConfig])]) -> Fleet<'a> {
        let mut owners = Owners::default();
        let mut fleet = Fleet { taken: Vec::new(), counts: Vec::new(), problems: Vec::new() };
        // What two endpoints of the file have in common, its reader has told.
        for config in &self.endpoints {
            owners.ids.entry(&config.endpoint.id).or_insert(OWN_LIST);
            owners.addresses.entry(&config.client.address).or_insert(&config.endpoint.id);
        }
        fleet.taken.extend(self.endpoints.iter().filter(|config| self.share.takes(&config.endpoint)));
        fleet.counts.push((OWN_LIST, fleet.taken.len()));
        for &(source, endpoints) in sources {
            let before = fleet.taken.len();
            for config in endpoints {
                let is_taken = owners.accept(source, config, &mut fleet.problems);
                if is_taken && self.share.takes(&config.endpoint) {
                    fleet.taken.push(config);
                }
            }
            fleet.counts.push((source, fleet.taken.len() - before));
        }
        fleet
    }
}

impl<'a> Owners<'a> {
    /// Whether the id is free; it has it then.
    fn accept(&mut self, source: &'a str, config: &'a EndpointConfig, problems: &mut Vec<Problem>) -> bool {
        let id = &config.endpoint.id;
        let mut tell = |text: String, hint: &str| {
            problems.push(Problem {
                file: PathBuf::from(source),
                place: None,
                key: format!("endpoint {:?} at {}", id.as_str(), config.client.address),
                text,
                hint: Some(hint.to_owned()),
            });
        };
        match self.ids.entry(id) {
            Entry::Occupied(other) => {
                let other = match *other.get() {
                    OWN_LIST => "the configuration",
                    other if other == source => "another target of this source",
                    other => other,
                };
                let text = format!("{other} has an endpoint of this id already, and this one is not watched");
                tell(
                    text,
                    "give it an id of its own with the label __bmc_id, or take it out of one of the two",
                );
                return false;
            }
            Entry::Vacant(free) => drop(free.insert(source)),
        }
        match self.addresses.entry(&config.client.address) {
            Entry::Occupied(other) => {
                let text =
                    format!("the endpoint {:?} has the same address: the BMC is read twice", other.get());
                tell(text, "take one of the two out");
            }
            Entry::Vacant(free) => drop(free.insert(id)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use collect::{TargetGroup, TargetList, TargetPart};

    use super::*;
    use crate::config::Environment;

    const CONFIG: &str = "
        [discovery]
        only = { site = \"fra1\" }
        [[endpoints]]
        id = \"own\"
        address = \"https://own\"
        credentials = \"all\"
        labels = { site = \"fra1\" }
        [[endpoints]]
        id = \"elsewhere\"
        address = \"https://elsewhere\"
        credentials = \"all\"
        [credentials.all]
        username = \"u\"
        password_env = \"PASSWORD\"
        match.endpoints = [\"*\"]";

    /// Targets such as `host=id`.
    fn list(targets: &str, site: &str) -> TargetList {
        let group = |pair: &str| {
            let (target, id) = pair.split_once('=').unwrap_or((pair, ""));
            let labels = [("__bmc_id", id), ("site", site)];
            TargetGroup {
                targets: vec![target.to_owned()],
                labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            }
        };
        let groups = targets.split_whitespace().map(group).collect();
        TargetList([TargetPart { origin: "x".into(), groups }].into())
    }

    #[test]
    fn who_has_an_id_first_keeps_it_and_only_the_share_is_taken() {
        let variables = BTreeMap::from([("PASSWORD".to_owned(), "s3cret".to_owned())]);
        let (config, _) = Config::parse(Path::new("x"), CONFIG, &Environment::of(variables)).unwrap();
        let first = config.resolve(&list("a b=own c=elsewhere d=d d2=d", "fra1")).endpoints;
        let second = config.resolve(&list("a a=again e=d f g", "fra1")).endpoints;
        let third = config.resolve(&list("h i", "ams1")).endpoints;
        let fleet = config.fleet(&[("file_sd/0", &first), ("http_sd/0", &second), ("file_sd/1", &third)]);
        let taken: Vec<&str> = fleet.taken.iter().map(|config| config.endpoint.id.as_str()).collect();
        assert_eq!(taken, ["own", "a", "d", "again", "f", "g"]);
        assert_eq!(fleet.counts, [("static", 1), ("file_sd/0", 2), ("http_sd/0", 3), ("file_sd/1", 0)]);
        let told: Vec<String> = fleet.problems.iter().map(ToString::to_string).collect();
        let expected = [
            "file_sd/0: endpoint \"own\" at https://b: the configuration has an endpoint of this id",
            "file_sd/0: endpoint \"elsewhere\" at https://c: the configuration has an endpoint of this id",
            "file_sd/0: endpoint \"d\" at https://d2: another target of this source has an endpoint",
            "http_sd/0: endpoint \"a\" at https://a: file_sd/0 has an endpoint of this id already",
            "http_sd/0: endpoint \"again\" at https://a: the endpoint \"a\" has the same address",
            "http_sd/0: endpoint \"d\" at https://e: file_sd/0 has an endpoint of this id already",
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} is not {expected}");
        }
    }
}
