//! Doors to private parts for the fuzz targets in `fuzz/`, behind the feature `fuzzing` that nothing else turns on.
//!
//! Each door hands bytes to one part and its answer back, and decides nothing: what must hold is said by the target. What
//! is public anyway (`EventStream`, `Address`) has no door.

use chrono::{DateTime, Utc};

use crate::{
    Address, Entry, PageLink, json, log_entry,
    origins::Origins,
    page::{Content, Slot, skipping},
    registry::{Registry, RegistryId},
    sse, time,
};

/// What a consumer sees of an event of a stream: its data, and the id that holds.
pub type Seen = (String, String);

/// The events of a stream that comes in these pieces; `None` when one is refused as too large.
pub fn sse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<Seen>> {
    let mut guard = sse::Guard::default();
    let (mut events, mut id) = (Vec::new(), String::new());
    for piece in pieces {
        let mut chunk = bytes::Bytes::copy_from_slice(piece);
        while let Some(block) = guard.next_block(&mut chunk).ok()? {
            let fields = sse::Fields::of(&block);
            if let Some(named) = fields.id {
                named.clone_into(&mut id);
            }
            if !fields.data.is_empty() {
                events.push((fields.data.into_owned(), id.clone()));
            }
        }
        assert!(chunk.is_empty(), "everything is taken");
    }
    Some(events)
}

/// What a page of the log at `service_path` holds.
pub struct PageContent {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// The links of members that must be read by themselves, and the next link, as sent.
    pub links: Vec<String>,
    /// Members of whatever kind.
    pub listed: usize,
    /// Members that are none of the above: empty slots and what could not be read.
    pub left_out: u32,
}

/// Takes a page apart; `None` where it is none.
pub fn page(body: &[u8], service_path: &str) -> Option<PageContent> {
    let content = Content::decode(body, service_path, None).ok()?;
    let again = Content::decode(body, service_path, content.members).ok()?;
    assert_eq!(again.members, content.members, "what is left out is known all the same");
    let read = again.slots.filled.len() + (again.slots.rejected + again.slots.empty) as usize;
    assert_eq!(again.left_out + read, content.listed, "each member is read or left out");
    let (mut entries, mut links) = (Vec::new(), Vec::new());
    let (listed, left_out) = (content.listed, content.slots.rejected + content.slots.empty);
    for slot in content.slots.filled {
        match slot {
            Slot::Entry(entry) => entries.push(entry),
            Slot::Link(link) => links.push(link),
        }
    }
    let members = entries.len() + links.len();
    assert_eq!(members + left_out as usize, listed, "each member is something");
    links.extend(content.next);
    Some(PageContent { entries, links, listed, left_out })
}

/// What a single member that was read by its link turned out to be.
pub enum Single {
    /// An entry.
    Entry(Box<Entry>),
    /// An empty slot, a link, or an object that names nothing and says nothing.
    Nothing,
    /// No JSON object.
    Unreadable,
}

/// Decodes a member that was read by itself.
pub fn entry(body: &[u8], service_path: &str) -> Single {
    let Ok(text) = json::text(body) else { return Single::Unreadable };
    let Ok(raw) = serde_json::from_str(&text) else { return Single::Unreadable };
    match log_entry::decode(raw, service_path) {
        Ok(log_entry::Member::Entry(entry)) => Single::Entry(Box::new(entry)),
        Ok(_) | Err(log_entry::Rejected::Nameless) => Single::Nothing,
        Err(log_entry::Rejected::NotAnObject | log_entry::Rejected::Unreadable) => Single::Unreadable,
    }
}

/// The moment that a text names.
pub fn time(text: &str) -> Option<DateTime<Utc>> {
    time::parse(text)
}

/// The path that a link, found in the document at `base`, leads to; `None` where it is not followed.
pub fn resolve(address: &Address, base: &str, link: &str) -> Option<String> {
    Origins::new(address.clone(), []).resolve(base, link).ok()
}

/// The places of a collection that are asked for without a next link: from its member number `skip` on, and what the count
/// says comes after `listed` members.
pub fn places(path: &str, skip: u64, listed: usize, count: u64) -> (String, Option<String>) {
    (skipping(path, skip), PageLink::by_count(path, listed, Some(count)).map(|link| link.path))
}

/// The texts that a registry file gives these message ids with these arguments; `None` where it is no registry.
pub fn wordings(body: &[u8], message_ids: &[String], args: &[String]) -> Option<Vec<Option<String>>> {
    let registry = Registry::decode(body).ok()?;
    let wording = |id: &String| {
        let (of, key) = RegistryId::of(id)?;
        of.fit(id);
        of.rank(id);
        registry.wording(key)?.with(args)
    };
    Some(message_ids.iter().map(wording).collect())
}
