//! What is handed to the journal in one piece: items, the keys that make them unique, and marks (bookmarks).

use std::sync::Arc;

use crate::Position;

/// A 128-bit name by which an item is recognised when it comes again, whatever its scope.
///
/// Keys lie on disk in their order. When those of one scope share their first bytes (three of a hash of the scope are
/// plenty), a batch touches a few pages instead of one per item, and appending costs less than half the CPU
/// (`benches/append.rs` measures both). When behind those comes the time ([`KeyOrder`]), it stays so however many are known.
pub type Key = [u8; 16];

/// How the keys of a journal lie, which whoever makes them goes by. It is for good: what is known by its key is recognised by the
/// same one only, and from a key nothing can be told but that it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// By scope and scattered, in journals of format 2 and before: a batch falls on all pages of its scope.
    Scattered,
    /// By scope and time, in all others: a batch falls on the last page or two of its scope.
    Time,
}

/// One piece of work: it is committed whole or not at all, and its marks with it.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose it is (an endpoint id). Twins and marks belong to one scope.
    pub scope: Arc<str>,
    /// In the order in which they shall stand in the journal.
    pub items: Vec<Item>,
    /// Marks to set, in the same transaction.
    pub marks: Vec<Mark>,
}

/// A named value of a scope: how far something has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Its name within the scope (the path of a log).
    pub name: String,
    /// What to remember.
    pub value: Vec<u8>,
}

/// One record to append, unless it is known.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its own name. An item whose key is known is a duplicate and is not stored.
    pub key: Key,
    /// What ties it to the same thing reported by the other witness, where no name is shared; surest first.
    pub twins: Vec<Twin>,
    /// The record; `None` makes the journal remember the key without storing anything: "old news".
    pub bytes: Option<Vec<u8>>,
    /// Whether it is a record by itself.
    pub when: When,
}

/// On what the storing of an item depends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    /// On nothing but its own key.
    #[default]
    Always,
    /// The item right before it in its own batch must have been known: this one tells how that one has changed. Otherwise,
    /// and at the beginning of a batch, its key is only remembered, for then the item before it says all that there is.
    /// So the two must not be cut apart, and the same batch once more changes nothing.
    PreviousKnown,
}

/// Two witnesses (a log and an event stream) report the same thing without a common name. An item of one side is
/// paired with at most one item of the other that shares a content and has a time within the window, and then it is
/// a duplicate and both are spent. Three equal items on one side need three on the other: pairs are counted, not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twin {
    /// Which witness reports it.
    pub side: TwinSide,
    /// Hash of what both witnesses tell alike.
    pub content: Key,
    /// When it happened, in milliseconds since 1970 by the witness' clock.
    pub at_ms: i64,
    /// How far apart two times may be and still be the same, in milliseconds. At most a day: what is wider counts as that. Each
    /// hour within it is looked at, so a few seconds are cheapest.
    pub window_ms: i64,
    /// Hashes of what else is said, 0 where nothing is. Two items that both say something there, and not the same, are no
    /// pair, whatever content they share.
    pub claims: [u32; 2],
}

/// The two witnesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TwinSide {
    /// Read from a log.
    Log,
    /// Pushed on a stream.
    Stream,
}

/// What became of a batch, item by item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// In the order of the batch's items.
    pub outcomes: Vec<Outcome>,
}

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Stored at this position.
    Stored(Position),
    /// Its key was known.
    Known,
    /// It is the twin of an item of the other side, which tells the same; its key is remembered.
    Paired,
    /// Its key was remembered and nothing was stored, as asked.
    Noted,
}
