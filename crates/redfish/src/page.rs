//! One page of a log, and the link to the next.
//!
//! Not here: following links (`client/pages`), and whether a page overlaps what was read (`collect`).

mod beginning;

use std::collections::BTreeMap;

use model::ReadMembers;
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};

use crate::{
    Entry, json,
    log_entry::{self, Member},
    page::beginning::Beginning,
    service_root::first_eight,
};

/// Members of one page; the largest seen has 1,735.
const MEMBERS_MAX: usize = 10_000;

/// Stands in the digest for a member that is a link.
const LINK_MARK: &[u8] = b"link";

/// Where a page is: a next link that passed the guards (same origin, not the page's own), or the place from which on the
/// count says that there is more. The caller keeps those it has followed in one walk, for BMCs whose links run in a circle
/// (T28).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PageLink {
    pub(crate) path: String,
    pub(crate) by: LinkBy,
}

/// Who says that there is a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LinkBy {
    /// The BMC's next link.
    Bmc,
    /// This `Members@odata.count`, where the BMC sent no next link (T26): it may not be so.
    Count(u64),
}

impl PageLink {
    /// Whether the BMC linked it, or only its count says that there is more.
    pub fn is_linked(&self) -> bool {
        matches!(self.by, LinkBy::Bmc)
    }

    /// The place after `listed` members of the page at `path`, where the count says that there is more.
    pub(crate) fn by_count(path: &str, listed: usize, count: Option<u64>) -> Option<Self> {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let mut skip = 0_u64;
        for part in query.split('&').filter_map(|part| part.strip_prefix("$skip")) {
            // A token says nothing about where we are.
            skip = part.strip_prefix('=')?.parse().ok()?;
        }
        let (after, count) = (skip.checked_add(listed as u64)?, count?);
        let is_more = listed > 0 && after < count;
        is_more.then(|| Self { path: skipping(path, after), by: LinkBy::Count(count) })
    }
}

/// One page, decoded.
#[derive(Debug)]
pub struct Page {
    /// The readable entries, as ordered by the BMC.
    pub entries: Vec<Entry>,
    /// The next page, under whichever name the BMC sends it (T25).
    pub next: Option<PageLink>,
    /// `Members@odata.count`: the total, or on some the page's (T26).
    pub count: Option<u64>,
    /// Hash of the body, and of the members that had to be read one by one: the same bytes hold the same entries.
    pub digest: u64,
    /// All its members, where nobody has to ask further to have them: no next page, and no links for members.
    pub members: Option<ReadMembers>,
    /// Members at its beginning that were left out, because they are known.
    pub left_out: usize,
    /// Members that could not be read.
    pub rejected: u32,
    /// Members that are empty slots (T3), which are no entries.
    pub empty_slots: u32,
}

/// What is known of the only page of a log.
#[derive(Debug, Clone, Copy, Default)]
pub struct KnownPage {
    /// [`Page::digest`].
    pub digest: Option<u64>,
    /// [`Page::members`], all of which were read.
    pub members: Option<ReadMembers>,
}

/// The link of a collection, from its member number `skip` on. AMI refuses to skip nothing (T29), and a query that the
/// link has already is kept.
pub(crate) fn skipping(link: &str, skip: u64) -> String {
    let (path, query) = link.split_once('?').unwrap_or((link, ""));
    let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("$skip"));
    let skip = (skip > 0).then(|| format!("$skip={skip}"));
    let query: Vec<&str> = kept.chain(skip.as_deref()).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// A page as it came, links unread.
pub(crate) struct Content {
    pub(crate) slots: Slots,
    /// The next link as sent.
    pub(crate) next: Option<String>,
    /// Members, whatever they are.
    pub(crate) listed: usize,
    pub(crate) count: Option<u64>,
    pub(crate) digest: PageDigest,
    /// All members, where no further page holds more of them.
    pub(crate) members: Option<ReadMembers>,
    /// Members that come before those in `slots`.
    pub(crate) left_out: usize,
}

/// Members, one after the other.
#[derive(Default)]
pub(crate) struct Slots {
    pub(crate) filled: Vec<Slot>,
    pub(crate) rejected: u32,
    pub(crate) empty: u32,
}

/// A member, in its place.
#[expect(clippy::large_enum_variant, reason = "most are entries, and they are taken out at once")]
pub(crate) enum Slot {
    Entry(Entry),
    Link(String),
}

/// The hash in the making.
pub(crate) struct PageDigest(Sha256);

impl PageDigest {
    pub(crate) fn new(body: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(body))
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> u64 {
        first_eight(&self.0.finalize())
    }
}

impl Page {
    /// Its members, whatever they are and whether or not they are known.
    pub fn listed(&self) -> u64 {
        (self.left_out + self.entries.len()) as u64 + u64::from(self.rejected) + u64::from(self.empty_slots)
    }

    /// A page of a log that holds nothing.
    pub(crate) fn empty(count: u64) -> Self {
        let entries = Vec::new();
        Self {
            entries,
            next: None,
            count: Some(count),
            digest: 0,
            members: None,
            left_out: 0,
            rejected: 0,
            empty_slots: 0,
        }
    }
}

impl Content {
    /// Takes a page apart; `Err` says why it is none. Of members that were read before, if it begins with them, only the last
    /// ones are taken.
    pub(crate) fn decode(
        body: &[u8],
        service_path: &str,
        known: Option<ReadMembers>,
    ) -> Result<Self, String> {
        let text = json::text(body)?;
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(&text).map_err(|_| "not an object".to_owned())?;
        let members: Option<Vec<&RawValue>> = match field(&fields, "Members") {
            Some(members) => {
                serde_json::from_str(members.get()).map_err(|_| "Members is no array".to_owned())?
            }
            // An error in the clothes of a page (200 with `error`) must not pass for an empty log.
            None if field(&fields, "error").is_some() => {
                return Err("an error body with a status of success".to_owned());
            }
            None => None,
        };
        let members = members.unwrap_or_default();
        if members.len() > MEMBERS_MAX {
            return Err(format!("{} members, more than the {MEMBERS_MAX} we read", members.len()));
        }
        let listed = members.len();
        let next = next_link(&fields);
        let count = field(&fields, "Members@odata.count").and_then(|count| json::number(&value(count)));
        let is_all = next.is_none() && count.is_none_or(|count| count <= listed as u64);
        let (all, beginning) = Beginning::of(&members, known.filter(|_| is_all));
        let fresh = Slots::decode(&members[beginning.known..], service_path);
        let left_out = beginning.left_out(&members, &fresh);
        let mut slots = Slots::decode(&members[left_out..beginning.known], service_path);
        slots.append(fresh);
        let mut digest = PageDigest::new(body);
        // So the body alone never has the digest of a page whose links must be followed.
        (0..slots.links()).for_each(|_| digest.add(LINK_MARK));
        let members = Some(all).filter(|_| is_all && slots.links() == 0);
        Ok(Self { slots, next, listed, count, digest, members, left_out })
    }
}

impl Slots {
    fn decode(members: &[&RawValue], service_path: &str) -> Self {
        let mut slots = Self { filled: Vec::with_capacity(members.len()), ..Self::default() };
        for member in members {
            match log_entry::decode(member, service_path) {
                Ok(Member::Entry(entry)) => slots.filled.push(Slot::Entry(entry)),
                Ok(Member::Link(link)) => slots.filled.push(Slot::Link(link)),
                Ok(Member::EmptySlot) => slots.empty += 1,
                Err(_) => slots.rejected += 1,
            }
        }
        slots
    }

    fn append(&mut self, mut further: Self) {
        self.filled.append(&mut further.filled);
        self.rejected += further.rejected;
        self.empty += further.empty;
    }

    /// Members that lead somewhere else.
    pub(crate) fn links(&self) -> usize {
        self.filled.iter().filter(|slot| matches!(slot, Slot::Link(_))).count()
    }
}

/// A field under any spelling of its name; the right one first.
fn field<'a>(fields: &BTreeMap<String, &'a RawValue>, name: &str) -> Option<&'a RawValue> {
    let other = || fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    fields.get(name).copied().or_else(other)
}

/// Under the right name, under the name of Dell and Intel, or under sailfish's spelling (T25).
fn next_link(fields: &BTreeMap<String, &RawValue>) -> Option<String> {
    let found = |name| field(fields, name).and_then(|link| json::link(&value(link)));
    found("Members@odata.nextLink").or_else(|| found("@odata.nextLink"))
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t26_t27_the_count_leads_on_only_where_it_says_more_than_was_listed() {
        let by_count = |path, listed, count| PageLink::by_count(path, listed, count).map(|link| link.path);
        for (path, listed, count, next) in [
            ("/log", 50, Some(130), Some("/log?$skip=50")),
            ("/log?$skip=50", 50, Some(130), Some("/log?$skip=100")),
            ("/log?a=b&$skip=100", 30, Some(131), Some("/log?a=b&$skip=130")),
            ("/log?$skip=100", 30, Some(130), None),
            ("/log", 50, Some(50), None),
            ("/log", 50, Some(5), None),
            ("/log", 50, None, None),
            ("/log", 0, Some(130), None),
            ("/log?$skiptoken=50", 50, Some(130), None),
            ("/log?$skip=x", 50, Some(130), None),
            ("/log?$skip=18446744073709551615", 50, Some(u64::MAX), None),
        ] {
            assert_eq!(by_count(path, listed, count).as_deref(), next, "{path}");
        }
    }
}
