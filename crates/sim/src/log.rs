//! One log of a BMC: entries in a ring, the ids they carry, and what befalls them. Entries and pages as JSON
//! stand in `entry.rs`. It does not know of streams or requests.

use std::{collections::VecDeque, ops::Range, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    bmc::Bmc,
    habit::{Burst, EntriesAt, Slots, WhenFull},
    log_levers::LogFault,
    profile::{IdStyle, LogProfile, Parent, Profile},
    truth::{Logged, Severity},
};

/// A change to an entry, or to the resource of a log service, before it is sent.
pub(crate) type Edit = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A change to a page before it is sent; the text is the query it was asked with.
pub(crate) type PageEdit = Arc<dyn Fn(&mut Value, &str) + Send + Sync>;

/// What happens before a request for entries is answered; the text is its query.
pub(crate) type Before = Arc<dyn Fn(&Bmc, &str) + Send + Sync>;

/// What a name for a new entry is made of.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) id: String,
    pub(crate) number: u64,
}

/// An entry as the log holds it: what happened, and what may change about it.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) logged: Arc<Logged>,
    /// Its name now, unless names are places or depend on the boot.
    pub(crate) id: String,
    /// The boot it was written in, and its place among those of that boot.
    boot: (u64, u64),
    /// Entries with the same one share a UUID (T21).
    pub(crate) cause: u64,
    pub(crate) edit: Option<Edit>,
}

/// What stands at one place of the collection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Entry(usize),
    Empty,
}

pub(crate) struct Log {
    pub(crate) path: Arc<str>,
    /// Where its entries are served.
    pub(crate) entries_path: String,
    pub(crate) profile: LogProfile,
    pub(crate) generation: u32,
    pub(crate) fault: LogFault,
    pub(crate) latency: Duration,
    pub(crate) page_edit: Option<PageEdit>,
    pub(crate) before: Option<Before>,
    pub(crate) service_edit: Option<Edit>,
    /// The next line sends the whole log to the first stream.
    pub(crate) burst_due: bool,
    /// New entries cannot be read.
    pub(crate) held: bool,
    /// So many of the newest cannot be read yet.
    pub(crate) hidden: usize,
    pub(crate) ids: IdStyle,
    /// Makes UUIDs differ from those of another machine.
    pub(crate) salt: u64,
    items: VecDeque<Item>,
    next_number: u64,
    next_id: u64,
    /// The last unit of time that named an entry, and how many it named (bmcweb).
    instant: (i64, u32),
    boot: u64,
    in_boot: u64,
    same_id_next: bool,
    burst: Burst,
}

impl Log {
    pub(crate) fn new(profile: &Profile, log: &LogProfile, salt: u64) -> Self {
        let (path, entries_path) = paths(profile, log);
        Self {
            entries_path,
            path: path.into(),
            profile: log.clone(),
            generation: 0,
            fault: LogFault::None,
            latency: Duration::ZERO,
            page_edit: None,
            before: None,
            service_edit: None,
            burst_due: profile.burst == Burst::FirstLine,
            held: false,
            hidden: 0,
            ids: log.ids.unwrap_or(profile.ids),
            salt,
            items: VecDeque::new(),
            next_number: 1,
            next_id: 1,
            instant: (0, 0),
            boot: 1,
            in_boot: 0,
            same_id_next: false,
            burst: profile.burst,
        }
    }

    /// What lies below the log in a path: nothing for the log service itself, then what comes after it;
    /// entries begin with `/Entries`, wherever they are served.
    pub(crate) fn under<'a>(&self, path: &'a str) -> Option<(Part, &'a str)> {
        let below = |prefix: &str| {
            path.strip_prefix(prefix).filter(|under| under.is_empty() || under.starts_with('/'))
        };
        if let Some(under) = below(&self.entries_path) {
            return Some((Part::Entries, under));
        }
        below(&self.path).map(|under| (Part::Service, under))
    }

    /// Whether a new entry finds no place for ever (T38).
    pub(crate) fn refuses(&self) -> bool {
        self.profile.when_full == WhenFull::Discard && self.items.len() >= self.profile.capacity
    }

    /// Names the next entry.
    pub(crate) fn name_next(&mut self, now: DateTime<Utc>) -> Name {
        let number = self.next_number;
        self.next_number += 1;
        self.in_boot += 1;
        if std::mem::take(&mut self.same_id_next)
            && let Some(last) = self.items.back()
        {
            return Name { id: last.id.clone(), number };
        }
        Name { id: self.make_id(now, number), number }
    }

    fn make_id(&mut self, at: DateTime<Utc>, number: u64) -> String {
        let micros = at.timestamp_micros();
        match self.ids {
            IdStyle::Rising | IdStyle::RestartsAtClear => {
                self.next_id += 1;
                (self.next_id - 1).to_string()
            }
            IdStyle::Position => match self.profile.slots {
                Slots::Window | Slots::WindowWithEcho => self.profile.capacity.to_string(),
                _ => (self.items.len() + 1).min(self.profile.capacity.max(1)).to_string(),
            },
            IdStyle::EpochSeconds => self.name_by(at.timestamp()),
            IdStyle::EpochMicros => self.name_by(micros),
            IdStyle::BootTime => {
                let name = self.name_by(micros);
                format!("{:032x}_{name}", self.salt)
            }
            IdStyle::Cursor => {
                let (salt, boot) = (self.salt, self.boot);
                let cursor = format!("s={salt:032x};i={number:x};b={boot:032x};m={micros:x};t={micros:x};x=");
                STANDARD.encode(format!("{cursor:0<114}"))
            }
            IdStyle::PostCode => format!("B1-{}", self.in_boot),
        }
    }

    fn name_by(&mut self, instant: i64) -> String {
        let (last, named) = self.instant;
        if last != instant {
            self.instant = (instant, 1);
            return instant.to_string();
        }
        self.instant = (instant, named + 1);
        format!("{instant}_{named}")
    }

    pub(crate) fn append(&mut self, logged: Arc<Logged>) {
        let cause = match self.items.back() {
            Some(last) if last.logged.time == logged.time && last.logged.message_id != logged.message_id => {
                last.cause
            }
            _ => logged.number,
        };
        let item = Item { id: logged.id.clone(), logged, boot: (self.boot, self.in_boot), cause, edit: None };
        self.push(item);
    }

    /// Names given from now on come after those of a log that counts with this one (T14).
    pub(crate) fn count_after(&mut self, (number, id): (u64, u64)) {
        self.next_number = self.next_number.max(number);
        self.next_id = self.next_id.max(id);
    }

    /// The number and the id that the next entry would get.
    pub(crate) fn counters(&self) -> (u64, u64) {
        (self.next_number, self.next_id)
    }

    fn push(&mut self, item: Item) {
        let (len, capacity) = (self.items.len(), self.profile.capacity);
        match self.profile.when_full {
            WhenFull::Trim(chunk) if len >= capacity => self.trim(chunk.max(1)),
            WhenFull::Trim(_) | WhenFull::Discard => {}
            WhenFull::TwoQueues(infos) => {
                let info = item.logged.severity == Severity::Ok;
                let same = |other: &Item| (other.logged.severity == Severity::Ok) == info;
                let most = if info { infos } else { capacity };
                if self.items.iter().filter(|other| same(other)).count() >= most {
                    let oldest = self.items.iter().position(same);
                    oldest.and_then(|index| self.items.remove(index));
                }
            }
        }
        self.items.push_back(item);
        self.hidden = self.hidden.min(self.items.len());
        self.hidden += usize::from(self.held);
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.hidden = 0;
        self.generation += 1;
        if self.ids == IdStyle::RestartsAtClear {
            self.next_id = 1;
        }
        self.instant = (0, 0);
        self.start();
    }

    /// The oldest go.
    pub(crate) fn trim(&mut self, count: usize) {
        self.items.drain(..count.min(self.items.len()));
        self.hidden = self.hidden.min(self.items.len());
    }

    pub(crate) fn remove(&mut self, index: usize) {
        self.items.remove(index);
        self.hidden = self.hidden.min(self.items.len());
    }

    pub(crate) fn remove_newest(&mut self) {
        self.items.pop_back();
        self.hidden = self.hidden.min(self.items.len());
    }

    /// The counter of ids goes on after the highest id that is still there (T7).
    pub(crate) fn restart(&mut self) {
        let highest = self.items.iter().filter_map(|item| item.id.parse::<u64>().ok()).max();
        self.next_id = highest.unwrap_or(0) + 1;
        self.start();
    }

    /// The service behind it starts, or takes up a new file.
    pub(crate) fn start(&mut self) {
        self.burst_due = self.burst == Burst::FirstLine;
    }

    /// bmcweb's rotation: the older half goes, ids are counted anew within each second (T11).
    pub(crate) fn rotate(&mut self) {
        self.trim(self.items.len().div_ceil(2));
        if self.ids == IdStyle::EpochSeconds {
            self.renumber(IdStyle::EpochSeconds);
        }
        self.start();
    }

    /// The same entries under ids of another grammar, which also names what comes (T12).
    pub(crate) fn renumber(&mut self, ids: IdStyle) {
        self.ids = ids;
        self.instant = (0, 0);
        self.next_id = 1;
        let mut items = std::mem::take(&mut self.items);
        for item in &mut items {
            item.id = self.make_id(item.logged.time, item.logged.number);
        }
        self.items = items;
    }

    pub(crate) fn rename(&mut self, profile: &Profile, id: &'static str) {
        self.profile.id = id;
        let (path, entries_path) = paths(profile, &self.profile);
        (self.path, self.entries_path) = (path.into(), entries_path);
    }

    /// The machine boots: what was B1 becomes B2 (T13).
    pub(crate) fn new_boot(&mut self) {
        self.boot += 1;
        self.in_boot = 0;
    }

    /// These entries stand there once more, after the others, under other ids (T9b).
    pub(crate) fn repeat(&mut self, range: Range<usize>) {
        for index in range {
            let Some(mut item) = self.items.get(index).cloned() else { return };
            item.id = self.make_id(item.logged.time, item.logged.number);
            self.push(item);
        }
    }

    /// The next entry gets the id of the one before (T10).
    pub(crate) fn same_id_next(&mut self) {
        self.same_id_next = true;
    }

    pub(crate) fn edit_newest(&mut self, edit: Edit) {
        self.edit_at(self.items.len().wrapping_sub(1), edit);
    }

    pub(crate) fn edit_at(&mut self, index: usize, edit: Edit) {
        if let Some(item) = self.items.get_mut(index) {
            item.edit = Some(edit);
        }
    }

    /// The oldest first, those that cannot be read yet not among them.
    pub(crate) fn readable(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.items.range(..self.len())
    }

    /// How many entries can be read.
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.hidden
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Logged>> {
        Some(&self.readable().next_back()?.logged)
    }

    pub(crate) fn newest_id(&self) -> Option<String> {
        self.places().checked_sub(1).and_then(|place| self.id_at(place))
    }

    /// Numbers of the first and the last entry it still holds.
    pub(crate) fn numbers(&self) -> Option<(u64, u64)> {
        Some((self.readable().next()?.logged.number, self.newest()?.number))
    }

    /// How long an answer about entries takes, on top of any other.
    pub(crate) fn latency(&self, profile: &Profile) -> Duration {
        let members = self.places().min(profile.page_size.unwrap_or(usize::MAX));
        self.latency + self.profile.latency_each * u32::try_from(members).unwrap_or(u32::MAX)
    }

    /// How many members the collection has.
    pub(crate) fn places(&self) -> usize {
        let len = self.len();
        match self.profile.slots {
            Slots::Packed => len,
            Slots::EverySecondTwice => len + len / 2,
            Slots::Window | Slots::WindowWithEcho => self.profile.capacity.max(len),
        }
    }

    pub(crate) fn slot(&self, place: usize) -> Slot {
        let (len, places) = (self.len(), self.places());
        match self.profile.slots {
            Slots::Packed => Slot::Entry(place),
            Slots::EverySecondTwice => Slot::Entry(place / 3 * 2 + (place % 3).min(1)),
            Slots::WindowWithEcho if 2 * len < places && (1..=len).contains(&place) => Slot::Entry(place - 1),
            Slots::Window | Slots::WindowWithEcho => match place.checked_sub(places - len) {
                Some(index) => Slot::Entry(index),
                None => Slot::Empty,
            },
        }
    }

    pub(crate) fn item(&self, index: usize) -> Option<&Item> {
        self.items.get(index).filter(|_| index < self.len())
    }

    pub(crate) fn id_at(&self, place: usize) -> Option<String> {
        let Slot::Entry(index) = self.slot(place) else { return Some((place + 1).to_string()) };
        let item = self.item(index)?;
        Some(match self.ids {
            IdStyle::Position => (place + 1).to_string(),
            IdStyle::PostCode => self.post_code(item),
            _ => item.id.clone(),
        })
    }

    fn post_code(&self, item: &Item) -> String {
        let (boot, nth) = item.boot;
        format!("B{}-{nth}", self.boot - boot + 1)
    }

    /// The place that `id` names now: the first of that name (T10).
    pub(crate) fn place_of(&self, id: &str) -> Option<usize> {
        if self.ids == IdStyle::Position {
            return id.parse::<usize>().ok()?.checked_sub(1).filter(|place| *place < self.places());
        }
        (0..self.places()).find(|place| match self.slot(*place) {
            Slot::Entry(index) => self.item(index).is_some_and(|item| match self.ids {
                IdStyle::PostCode => self.post_code(item) == id,
                _ => item.id == id,
            }),
            Slot::Empty => false,
        })
    }
}

/// The paths of a log service and of its entries.
fn paths(profile: &Profile, log: &LogProfile) -> (String, String) {
    let parent = match log.parent {
        Parent::System => format!("/redfish/v1/Systems/{}", profile.system),
        Parent::Manager => format!("/redfish/v1/Managers/{}", profile.manager),
        Parent::Chassis => format!("/redfish/v1/Chassis/{}", profile.chassis),
    };
    let path = format!("{parent}/LogServices/{}", log.id);
    let entries = match log.entries {
        EntriesAt::UnderService => format!("{path}/Entries"),
        EntriesAt::DellLogs => format!("{parent}/Logs/{}", log.id),
    };
    (path, entries)
}

/// Which part of a log a path is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Service,
    Entries,
}
