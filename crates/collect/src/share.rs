//! Which endpoints this process takes, so that several can share a fleet without reading a BMC twice.
//!
//! Rendezvous hashing: every process computes the same owner of an endpoint, and a change from n to n+1 shards moves only
//! 1/(n+1) of the endpoints.

use std::collections::BTreeMap;

use model::{Endpoint, EndpointId, Uid};

/// Which endpoints a process takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    /// Labels an endpoint must carry; empty takes all.
    pub only: BTreeMap<String, String>,
    /// `(index, shards)`: one share of all, by rendezvous hashing on the endpoint id.
    pub shard: Option<(u32, u32)>,
}

impl Share {
    /// Whether this process takes the endpoint.
    pub fn takes(&self, endpoint: &Endpoint) -> bool {
        let labelled = self.only.iter().all(|(name, value)| endpoint.labels.get(name) == Some(value));
        labelled && self.shard.is_none_or(|(index, shards)| owner(&endpoint.id, shards) == index)
    }
}

/// The shard with the highest weight for this id.
fn owner(id: &EndpointId, shards: u32) -> u32 {
    let weight = |shard: &u32| Uid::derive([id.as_str().as_bytes(), &shard.to_le_bytes()[..]]);
    (0..shards).max_by_key(weight).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(id: &str, labels: &[(&str, &str)]) -> Endpoint {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Endpoint { id: EndpointId::try_from(id).unwrap(), address: String::new(), labels }
    }

    fn ids() -> impl Iterator<Item = Endpoint> {
        (0..1000).map(|n| endpoint(&format!("bmc-{n}"), &[]))
    }

    #[test]
    fn every_endpoint_has_exactly_one_owner_and_shares_are_about_equal() {
        let mut counts = [0; 4];
        for one in ids() {
            let takers: Vec<u32> = (0..4)
                .filter(|index| Share { shard: Some((*index, 4)), ..Share::default() }.takes(&one))
                .collect();
            assert_eq!(takers.len(), 1, "{one:?}");
            counts[takers[0] as usize] += 1;
        }
        assert!(counts.iter().all(|count| (200..300).contains(count)), "{counts:?}");
    }

    #[test]
    fn one_more_shard_moves_only_its_own_share() {
        let moved = ids().filter(|one| owner(&one.id, 4) != owner(&one.id, 5)).count();
        assert!((150..250).contains(&moved), "{moved}");
        assert!(ids().all(|one| owner(&one.id, 4) == owner(&one.id, 5) || owner(&one.id, 5) == 4));
    }

    #[test]
    fn only_takes_endpoints_that_carry_every_label() {
        let share = Share { only: [("node".to_owned(), "n1".to_owned())].into(), shard: None };
        assert!(share.takes(&endpoint("a", &[("node", "n1"), ("rack", "r1")])));
        assert!(!share.takes(&endpoint("a", &[("node", "n2")])));
        assert!(!share.takes(&endpoint("a", &[])));
    }
}
