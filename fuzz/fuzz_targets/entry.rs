//! Any body is a page, or a member, or neither: every entry of it can be stored and read back, is named by what its own
//! JSON says, and no JSON object is unreadable.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redfish::{
    Entry,
    fuzzing::{Single, entry, page},
};
use serde_json::value::RawValue;

const LOG: &str = "/redfish/v1/Systems/1/LogServices/SEL/";

/// What names an entry and ties it to others.
fn names(entry: &Entry) -> String {
    let Entry { identity, placeless, place, number, revision, signs, twins, .. } = entry;
    format!("{identity:?} {placeless:?} {place} {number:?} {revision:?} {signs:?} {twins:?}")
}

fn check(found: &Entry) {
    fuzz::is_kept(&found.facts);
    let original = found.facts.original.as_deref().map_or("", RawValue::get);
    let Single::Entry(again) = entry(original.as_bytes(), LOG) else { panic!("its own JSON is an entry") };
    assert_eq!(names(found), names(&again), "its own JSON names it");
    assert_eq!(format!("{:?}", found.facts), format!("{:?}", again.facts));
}

fuzz_target!(|body: &[u8]| {
    if let Some(page) = page(body, LOG) {
        for entry in &page.entries {
            check(entry);
        }
    }
    match entry(body, LOG) {
        Single::Entry(found) => check(&found),
        Single::Nothing => {}
        Single::Unreadable => {
            let is_object = body.starts_with(b"{") && serde_json::from_slice::<&RawValue>(body).is_ok();
            assert!(!is_object, "an object of whatever content is not given up");
        }
    }
});
