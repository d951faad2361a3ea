//! `[credentials.NAME.match]`: which endpoints a login is for, and which of several fits best.
//!
//! It decides from the config alone: a host name is never resolved. Not here: an endpoint's own `credentials`, which
//! wins over every match (`endpoints`).

use std::{collections::BTreeMap, fmt, net::IpAddr};

use model::{Endpoint, Pattern};
use redfish::Address;

use super::{
    key,
    problem::Refusal,
    reader::{Reader, Table},
};

/// Which endpoints. Every key that is given must fit; of a list, one is enough. At least one key is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Ids.
    pub endpoints: Vec<Pattern>,
    /// Ranges of addresses.
    pub addresses: Vec<Range>,
    /// Labels, all of which the endpoint carries.
    pub labels: BTreeMap<String, String>,
}

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

/// How narrowly a match fits: an id counts more than a range, a range more than labels. Of two ids the one with more
/// characters is narrower, of two ranges the smaller one, of two sets of labels the larger one; a tie is decided by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    /// 0 without ids; else one more than there are characters other than `*`, and whether there is no `*` at all.
    id: (usize, bool),
    /// 0 without ranges; else one more than the range has bits.
    bits: u16,
    labels: usize,
}

/// What the matches say of one endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice<'a> {
    /// None fits.
    Nothing,
    /// This fits best.
    One(&'a str),
    /// These two fit equally well, and nothing better does.
    Tie(&'a str, &'a str),
}

/// The best of the matches, each with the name of its login.
pub(super) fn choose<'a>(
    matches: impl Iterator<Item = (&'a str, &'a Match)>,
    endpoint: &Endpoint,
    address: &Address,
) -> Choice<'a> {
    let mut best: Option<(Fit, &str)> = None;
    let mut choice = Choice::Nothing;
    for (name, one) in matches {
        let Some(fit) = one.fit(endpoint, address) else { continue };
        match best {
            Some((before, _)) if fit < before => {}
            Some((before, first)) if fit == before => choice = Choice::Tie(first, name),
            _ => {
                best = Some((fit, name));
                choice = Choice::One(name);
            }
        }
    }
    choice
}

impl Match {
    /// How narrowly it fits the endpoint, if it does.
    pub(super) fn fit(&self, endpoint: &Endpoint, address: &Address) -> Option<Fit> {
        let id = best_of(&self.endpoints, |pattern| pattern.fit(endpoint.id.as_str()))?;
        let ip = address.host().parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        let bits = best_of(&self.addresses, |range| range.holds(ip?).then_some(u16::from(range.bits) + 1))?;
        let carried = self.labels.iter().all(|(name, value)| endpoint.labels.get(name) == Some(value));
        carried.then_some(Fit { id, bits, labels: self.labels.len() })
    }
}

/// The best fit of a list, the least of all where there is no list; `None` where nothing of the list fits.
fn best_of<T, F: Ord + Default>(list: &[T], fit: impl Fn(&T) -> Option<F>) -> Option<F> {
    if list.is_empty() { Some(F::default()) } else { list.iter().filter_map(fit).max() }
}

impl Range {
    fn holds(&self, ip: IpAddr) -> bool {
        match (self.first, ip) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                (first.to_bits() ^ ip.to_bits()).checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                (first.to_bits() ^ ip.to_bits()).checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &dyn fmt::Display| format!("{:?}", text.to_string());
        let list = |name: &str, items: Vec<String>| format!("{name} = [{}]", items.join(", "));
        let mut keys = Vec::new();
        if !self.endpoints.is_empty() {
            keys.push(list("endpoints", self.endpoints.iter().map(|one| quoted(one)).collect()));
        }
        if !self.addresses.is_empty() {
            keys.push(list("addresses", self.addresses.iter().map(|one| quoted(one)).collect()));
        }
        if !self.labels.is_empty() {
            let pairs: Vec<String> =
                self.labels.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
            keys.push(format!("labels = {{ {} }}", pairs.join(", ")));
        }
        f.write_str(&keys.join(", "))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

pub(super) fn read(reader: &mut Reader<'_>, credentials: &Table<'_>) -> Option<Match> {
    let table = credentials.table(reader, "match", &key::MATCH);
    if !table.is_present() {
        return None;
    }
    let found = Match {
        endpoints: table.list(reader, "endpoints", pattern).unwrap_or_default(),
        addresses: table.list(reader, "addresses", range).unwrap_or_default(),
        labels: table.labels(reader, "labels").unwrap_or_default(),
    };
    let given = ["endpoints", "addresses", "labels"].into_iter().any(|key| table.has(key));
    if !given {
        let refusal = Refusal::new("a match without a key");
        table.table_problem(reader, refusal.hint("for every endpoint write endpoints = [\"*\"]"));
    }
    // An empty list would leave the other keys to match more than was meant.
    for (key, empty) in [
        ("endpoints", found.endpoints.is_empty()),
        ("addresses", found.addresses.is_empty()),
        ("labels", found.labels.is_empty()),
    ] {
        if empty && table.is_empty(key) {
            table.problem(
                reader,
                key,
                Refusal::new("matches nothing").hint("name something, or take it out"),
            );
        }
    }
    Some(found)
}

fn pattern(text: &str) -> Result<Pattern, Refusal> {
    Pattern::of(text).ok_or_else(|| {
        Refusal::new(format!("{text:?} matches no endpoint id"))
            .hint("write an id, or a part of it with *, such as \"r17-*\"")
    })
}

fn range(text: &str) -> Result<Range, Refusal> {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let unreadable = || {
        Refusal::new(format!("{text:?} is not a range of addresses")).hint(
            "write it as \"10.0.17.0/24\" or \"fd00:17::/64\", or one address; host names are not looked up",
        )
    };
    let ip: IpAddr = ip.trim_matches(['[', ']']).parse().map_err(|_| unreadable())?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(unreadable)?,
        None => most,
    };
    let first = match ip {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & !u32::MAX.checked_shr(bits.into()).unwrap_or(0)).into()),
        IpAddr::V6(ip) => {
            IpAddr::V6((ip.to_bits() & !u128::MAX.checked_shr(bits.into()).unwrap_or(0)).into())
        }
    };
    let range = Range { first, bits };
    if first == ip {
        return Ok(range);
    }
    Err(Refusal::new(format!("{text:?} does not begin at the first address of a range"))
        .hint(format!("write \"{range}\" for the range, or \"{ip}\" for the one address")))
}

#[cfg(test)]
mod tests {
    use model::EndpointId;

    use super::*;

    /// `id=a-* address=10.0.0.0/8 site=fra1`, each key as often as it is needed.
    fn of(text: &str) -> Match {
        let mut one = Match::default();
        for (key, value) in text.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            match key {
                "id" => one.endpoints.push(pattern(value).unwrap()),
                "address" => one.addresses.push(range(value).unwrap()),
                label => drop(one.labels.insert(label.to_owned(), value.to_owned())),
            }
        }
        one
    }

    /// Names are a, b, ... in the order of the matches. The endpoint is r17-u12 in rack r17 of site fra1.
    fn chosen(address: &str, matches: &[&str]) -> String {
        let names = ["a", "b", "c"];
        let matches: Vec<Match> = matches.iter().map(|text| of(text)).collect();
        let endpoint = Endpoint {
            id: EndpointId::try_from("r17-u12").unwrap(),
            address: address.to_owned(),
            labels: [("rack", "r17"), ("site", "fra1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        };
        match choose(names.into_iter().zip(&matches), &endpoint, &address.parse().unwrap()) {
            Choice::Nothing => "nothing".to_owned(),
            Choice::One(name) => name.to_owned(),
            Choice::Tie(first, second) => format!("{first}={second}"),
        }
    }

    #[test]
    fn the_narrowest_match_is_chosen_and_a_tie_names_both() {
        let v4 = "https://10.0.17.12";
        for (address, matches, expected) in [
            (v4, &[][..], "nothing"),
            (v4, &["site=fra1"], "a"),
            (v4, &["site=ams1"], "nothing"),
            (v4, &["other=fra1"], "nothing"),
            // More of the same kind is narrower.
            (v4, &["site=fra1", "site=fra1 rack=r17"], "b"),
            (v4, &["address=10.0.17.0/24", "address=10.0.0.0/16"], "a"),
            (v4, &["address=10.0.17.12", "address=10.0.17.12/31"], "a"),
            (v4, &["id=r17-*", "id=*"], "a"),
            (v4, &["id=r17-u12*", "id=r17-u12"], "b"),
            // An id is narrower than any range, a range than any labels.
            (v4, &["id=*", "address=10.0.17.12"], "a"),
            (v4, &["site=fra1 rack=r17", "address=0.0.0.0/0"], "b"),
            // A tie is decided by the next kind.
            (v4, &["id=r17-*", "id=r17-* site=fra1"], "b"),
            (v4, &["id=r17-* address=10.0.0.0/8", "id=r17-* site=fra1 rack=r17"], "a"),
            // All keys must fit, of a list one is enough, the best one counts.
            (v4, &["id=r17-* site=ams1"], "nothing"),
            (v4, &["id=x id=r17-*"], "a"),
            (v4, &["address=10.0.0.0/8 address=10.0.17.0/24", "address=10.0.16.0/23"], "a"),
            (v4, &["site=fra1", "rack=r17"], "a=b"),
            (v4, &["id=r17-*", "id=*-u12"], "a=b"),
            (v4, &["site=fra1", "rack=r17", "id=*"], "c"),
            (v4, &["id=*", "site=fra1", "rack=r17"], "a"),
            // The address is what the config says: names are not looked up, mapped addresses are what they map.
            ("https://bmc.example", &["address=0.0.0.0/0 address=::/0"], "nothing"),
            ("https://[::ffff:10.0.17.12]:8443", &["address=10.0.17.0/24"], "a"),
            ("https://[fd00:17::1]", &["address=fd00:17::/32", "address=fd00:17::/64"], "b"),
            ("https://[fd00:17::1]", &["address=0.0.0.0/0"], "nothing"),
        ] {
            assert_eq!(chosen(address, matches), expected, "{address} {matches:?}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (written, id, fits) in [
            ("r17-u12", "r17-u12", true),
            ("r17-u12", "r17-u123", false),
            ("r17-*", "r17-", true),
            ("r17-*", "r1-7", false),
            ("*-u12", "r17-u12", true),
            ("r*-u*2", "r17-u12", true),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
            ("*ü*", "xüx", true),
            ("**", "", true),
        ] {
            assert_eq!(pattern(written).unwrap().fit(id).is_some(), fits, "{written} {id}");
        }
    }

    #[test]
    fn a_range_that_does_not_begin_at_its_first_address_is_told_both_ways_out() {
        let hint = |text: &str| range(text).unwrap_err().hint.unwrap();
        assert_eq!(
            hint("10.0.17.12/24"),
            "write \"10.0.17.0/24\" for the range, or \"10.0.17.12\" for the one address"
        );
        for wrong in ["10.0.17", "10.0.17.0/33", "fd00::/129", "10.0.0.0/", "bmc.example", ""] {
            assert!(hint(wrong).contains("10.0.17.0/24"), "{wrong}");
        }
        assert_eq!(range("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
    }
}
