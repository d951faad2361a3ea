//! Logs that grow, shrink and change, read with what is known of them and without.

use std::{collections::HashSet, fmt::Write};

use proptest::prelude::*;

use crate::page::{Content, Slot};

const LOG: &str = "/redfish/v1/Systems/1/LogServices/EventLog";

/// An entry under this id, logged in this second of a minute, about one of a few things.
fn entry(id: usize, second: u8, about: u8) -> String {
    format!(
        r#"{{"@odata.id":"{LOG}/Entries/{id}","Id":"{id}","Created":"2026-11-20T14:02:{second:02}+00:00","Message":"Fan {about}"}}"#
    )
}

/// Entries that were logged one in a second, from 0 s on; their Ids are those given.
fn entries(ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|id| entry(id, u8::try_from(id % 60).unwrap(), 1)).collect()
}

fn body(members: &[String], rest: &str) -> Vec<u8> {
    let mut body = r#"{"Members":["#.to_owned();
    for (index, member) in members.iter().enumerate() {
        write!(body, "{}{member}", if index == 0 { "" } else { ", " }).unwrap();
    }
    body.push(']');
    body.push_str(rest);
    body.push('}');
    body.into_bytes()
}

/// A page with these members, read when those before were known.
fn grown(before: &[String], now: &[String]) -> Content {
    let known = Content::decode(&body(before, ""), LOG, None).unwrap().members;
    Content::decode(&body(now, ""), LOG, known).unwrap()
}

fn left_out(before: &[String], now: &[String]) -> usize {
    let content = grown(before, now);
    assert_eq!(content.left_out + content.slots.filled.len(), now.len());
    content.left_out
}

#[test]
fn of_a_log_that_has_grown_the_last_known_and_the_new_entries_are_read() {
    // Later ones are of another hour, so that no second comes twice.
    let at = |hour: usize, from: usize, to: usize| -> Vec<String> {
        entries(from..to).iter().map(|entry| entry.replace("T14:", &format!("T{hour}:"))).collect()
    };
    let before = at(14, 0, 300);
    let with = |new: &[String]| [before.clone(), new.to_vec()].concat();
    for (new, expected) in [
        (at(15, 300, 301), 236),
        (at(15, 300, 364), 236),
        (at(15, 300, 365), 0),
        (Vec::new(), 236),
        // In the same second as one long ago.
        (at(14, 300, 301), 0),
        // Without a time, with one that is not known, that cannot be looked for, or that is too short, and a link.
        (vec![r#"{"Id":"301","Message":"x"}"#.to_owned()], 0),
        (vec![entry(301, 1, 1).replace("2026-11-20T14:02:01", "11/20/2026 15:02:01")], 0),
        (vec![entry(301, 1, 1).replace("2026-11-20T14:02:01", "2026-11-20T15:02")], 0),
        (vec![entry(301, 1, 1).replace("2026-11-20T14:02:01+00:00", "2026-11-20T15:02Z")], 0),
        (vec![r#"{"@odata.id":"/log/301"}"#.to_owned()], 0),
    ] {
        assert_eq!(left_out(&before, &with(&new)), expected, "{new:?}");
    }
}

#[test]
fn a_log_that_begins_otherwise_is_read_whole() {
    let before = entries(0..200);
    let mut changed = entries(0..200);
    changed[3] = entry(3, 3, 2);
    let mut shorter = entries(0..200);
    shorter.remove(7);
    let moved = entries(1..201);
    for now in [changed, shorter, moved, entries(0..199), Vec::new()] {
        assert_eq!(left_out(&before, &now), 0);
    }
    assert_eq!((left_out(&before[..58], &before[..60]), left_out(&[], &before[..60])), (0, 0), "it is short");
}

#[test]
fn a_page_that_is_not_all_or_has_links_says_nothing_about_its_members() {
    let members = entries(0..3);
    let of =
        |members: &[String], rest: &str| Content::decode(&body(members, rest), LOG, None).unwrap().members;
    assert!(of(&members, "").is_some() && of(&members, r#","Members@odata.count":3"#).is_some());
    assert!(of(&members, r#","Members@odata.count":4"#).is_none());
    assert!(of(&members, r#","Members@odata.nextLink":"/more""#).is_none());
    assert!(of(&[r#"{"@odata.id":"/log/1"}"#.to_owned()], "").is_none());
}

fn digests(content: &Content) -> Vec<[u8; 16]> {
    let entries = content.slots.filled.iter().map(|slot| match slot {
        Slot::Entry(entry) => entry.placeless.digest,
        Slot::Link(link) => panic!("{link} is no entry"),
    });
    entries.collect()
}

proptest! {
    /// Seconds and things are few, so that entries repeat.
    #[test]
    fn what_is_left_out_was_read_and_says_nothing_that_a_new_entry_says(
        before in prop::collection::vec((0u8..60, 0u8..3), 60..200),
        new in prop::collection::vec((0u8..60, 0u8..3), 0..5),
        cut in 0usize..8,
    ) {
        let all: Vec<String> =
            before.iter().chain(&new).enumerate().map(|(id, (second, about))| entry(id, *second, *about)).collect();
        let known = &all[..before.len()];
        // Now and then the log was cleared a little.
        let now = if cut < 6 { &all[..] } else { &all[cut..] };
        let content = grown(known, now);
        let whole = Content::decode(&body(now, ""), LOG, None).unwrap();
        prop_assert_eq!(content.members, whole.members);
        prop_assert!(content.left_out == 0 || cut < 6);
        let (read, every) = (digests(&content), digests(&whole));
        prop_assert_eq!(&read[..], &every[content.left_out..]);
        let left_out: HashSet<_> = every[..content.left_out].iter().collect();
        prop_assert!(every[content.left_out..].iter().skip(before.len() - content.left_out).all(|new| !left_out.contains(new)));
    }
}
