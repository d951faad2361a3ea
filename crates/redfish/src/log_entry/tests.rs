//! Entries of every vendor, and the traps that are told apart here.

use model::Severity;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Scheme;

mod recordings;

const LOG: &str = "/redfish/v1/Systems/1/LogServices/Log";

fn member(value: &Value) -> Result<Member, Rejected> {
    decode(&RawValue::from_string(value.to_string()).unwrap(), LOG)
}

fn entry(value: &Value) -> Entry {
    match member(value) {
        Ok(Member::Entry(entry)) => entry,
        other => panic!("{value} is {other:?}"),
    }
}

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../tests/fixtures/", $name))).unwrap()
    };
}

/// The entry with this field set to something else.
fn with(mut value: Value, pointer: &str, new: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = new;
    value
}

fn same(a: &Value, b: &Value) -> bool {
    entry(a).identity == entry(b).identity
}

#[test]
fn an_entry_of_hpe_is_told_whole() {
    let value = fixture!("hpe_iml.json");
    let Entry { facts, identity, .. } = entry(&value);
    assert_eq!(identity.scheme, Scheme::HpeEventNumber);
    assert_eq!(facts.occurred_at.unwrap().to_rfc3339(), "2025-05-13T14:46:21+00:00");
    assert_eq!(facts.severity, Severity::Warning);
    assert_eq!(facts.message, "Slot=12 Storage - Volume 1 status changed to ok");
    assert_eq!(facts.message_id.as_deref(), Some("19.33"));
    assert_eq!((facts.log_service.as_deref(), facts.entry_id.as_deref()), (Some(LOG), Some("4")));
    let original: Value = serde_json::from_str(facts.original.unwrap().get()).unwrap();
    assert_eq!(original, value);
}

#[test]
fn t1_an_hpe_entry_keeps_its_identity_when_its_id_moves() {
    let value = fixture!("hpe_iml.json");
    let moved = with(value.clone(), "/Id", json!("3"));
    let moved = with(moved, "/@odata.id", json!("/redfish/v1/Systems/1/LogServices/IML/Entries/3"));
    assert!(same(&value, &moved));
    assert!(!same(&value, &with(value.clone(), "/Oem/Hpe/EventNumber", json!(7407))));
}

#[test]
fn t3_empty_slots_are_no_entries() {
    let slot = fixture!("hpe_empty_slot.json");
    assert!(matches!(member(&slot), Ok(Member::EmptySlot)));
    let half = json!({"Id": "100", "Created": "2025-08-12T18:27:16Z", "OemRecordFormat": "Hpe-Event", "Name": "Event"});
    assert!(matches!(member(&half), Ok(Member::EmptySlot)));
    let half = json!({"Id": "100", "Created": "0000-00-00T00:00:00Z", "EntryType": "Oem"});
    assert!(matches!(member(&half), Ok(Member::EmptySlot)));
    let real = with(slot, "/MessageId", json!("iLOEvents.3.16.ServerPoweredOn"));
    assert!(matches!(member(&real), Ok(Member::Entry(_))), "an event before the clock was set is one");
    assert!(matches!(member(&json!({"Id": "5", "Created": "2026-01-01T00:00:00Z"})), Ok(Member::Entry(_))));
}

#[test]
fn t2_t9b_an_hpe_event_served_under_two_ids_is_one() {
    let value = fixture!("hpe_event.json");
    assert_eq!(entry(&value).identity.scheme, Scheme::HpeEventUuid);
    assert!(same(&value, &with(value.clone(), "/Id", json!("99"))));
}

#[test]
fn t21_t23_hpe_events_that_differ_in_uuid_or_content_are_two() {
    let value = fixture!("hpe_event.json");
    let uuid = json!("8b733be9-236f-d25a-57be-7ef1ba5cea55");
    assert!(!same(&value, &with(value.clone(), "/EventId", uuid)));
    assert!(!same(&value, &with(value.clone(), "/MessageArgs/0", json!("3.15"))));
    assert!(!same(&value, &with(value.clone(), "/Created", json!("2025-08-12T18:27:17Z"))));
}

#[test]
fn t17_what_changes_in_place_changes_no_identity() {
    let value = fixture!("hpe_iml.json");
    let later = with(value.clone(), "/Oem/Hpe/Count", json!(642));
    let later = with(later, "/Oem/Hpe/Updated", json!("2025-06-01T00:00:00Z"));
    let later = with(with(later, "/Oem/Hpe/Repaired", json!(true)), "/Severity", json!("OK"));
    assert!(same(&value, &later));
    let value = fixture!("nvidia_eventlog.json");
    let later =
        with(with(value.clone(), "/Resolved", json!(true)), "/Modified", json!("2026-02-01T00:00:00Z"));
    let later = with(later, "/Severity", json!("OK"));
    assert!(same(&value, &later));
    assert_ne!(entry(&value).revision, entry(&later).revision);
}

#[test]
fn t17_what_changes_in_place_shows_in_the_revision() {
    let value = json!({"Id": "1", "Created": "2025-05-13T14:46:21Z", "Message": "a", "Severity": "Warning",
        "Oem": {"Hpe": {"EventNumber": 7, "Count": 1, "Updated": "2025-05-13T14:46:21Z", "Repaired": false}}});
    assert_eq!(entry(&value).revision, None);
    let repeated = with(value.clone(), "/Oem/Hpe/Count", json!(2));
    assert!(entry(&repeated).revision.is_some());
    assert_ne!(entry(&repeated).revision, entry(&with(repeated.clone(), "/Severity", json!("OK"))).revision);
    assert_eq!(entry(&with(value, "/Severity", json!("OK"))).revision, None);
}

#[test]
fn an_entry_says_what_became_of_its_log() {
    let cleared = json!({"Id": "1", "Message": "IML Cleared (iLO user: Administrator)"});
    assert_eq!(entry(&cleared).signs, Signs { cleared: true, ..Signs::default() });
    let lost = json!({"Id": "1", "Message": "a", "FirstOverflowTimestamp": "2026-01-01T00:00:00Z"});
    assert_eq!(entry(&lost).signs, Signs { overflowed: true, ..Signs::default() });
    let login = json!({"Id": "1", "MessageID": "USR0030", "Message": "Successfully logged in using root"});
    assert_eq!(entry(&login).signs, Signs { session: true, ..Signs::default() });
}

#[test]
fn t5_t10_the_same_id_with_other_content_is_another_entry() {
    let value = json!({"Id": "1714060800", "Created": "2024-04-25T16:00:00Z", "Message": "a", "MessageId": "X.1.0.A"});
    assert!(same(&value, &value.clone()));
    assert!(!same(&value, &with(value.clone(), "/Message", json!("b"))));
    assert!(!same(&value, &with(value.clone(), "/Created", json!("2024-04-25T16:00:01Z"))));
}

#[test]
fn t11_t12_the_same_entry_under_another_id_is_the_same_and_its_place_tells_equal_ones_apart() {
    let value = json!({"Id": "1714060800_1", "Created": "2024-04-25T16:00:00Z", "Message": "a", "MessageId": "X.1.0.A"});
    let moved = with(value.clone(), "/Id", json!("1714060800"));
    assert!(same(&value, &moved));
    assert_ne!(entry(&value).place, entry(&moved).place);
    assert_eq!((entry(&value).number, entry(&moved).number), (None, Some(1_714_060_800)));
}

#[test]
fn t41_an_entry_without_a_believable_time_is_named_by_its_id_too() {
    let value = json!({"Id": "1", "Created": "0000-00-00T00:00:00Z", "Message": "a"});
    let moved = with(value.clone(), "/Id", json!("2"));
    assert!(!same(&value, &moved));
    assert_eq!(entry(&value).placeless, entry(&moved).placeless);
}

#[test]
fn t19_t20_the_path_of_an_entry_is_no_part_of_its_identity() {
    let value = fixture!("ami_sel.json");
    let told = entry(&value);
    assert_eq!(told.facts.entry_id.as_deref(), Some("24"), "Id wins over the path");
    assert!(same(&value, &with(value.clone(), "/@odata.id", json!("/redfish/v1/managers/self/24/"))));
    // Without a time the id is in the name: the one that the entry gives itself.
    let undated = with(value.clone(), "/Created", json!(""));
    let undated = with(undated, "/EventTimestamp", json!(""));
    assert!(same(&undated, &with(undated.clone(), "/@odata.id", json!("/redfish/v1/managers/self/25/"))));
    assert!(!same(&undated, &with(undated.clone(), "/Id", json!("25"))));
    let without = json!({"@odata.id": "/redfish/v1/X/Entries/9/", "Message": "a"});
    assert_eq!(entry(&without).facts.entry_id.as_deref(), Some("9"));
}

#[test]
fn t42_a_time_without_a_zone_is_kept_and_not_guessed() {
    let Entry { facts, twins, .. } = entry(&fixture!("cisco_sel.json"));
    assert_eq!(facts.occurred_at, None);
    assert_eq!(facts.occurred_at_raw.as_deref(), Some("2022-06-13 12:17:54 "));
    assert_eq!((facts.entry_id.as_deref(), facts.event_id.as_deref()), (Some("1164"), Some("1164")));
    assert_eq!(twins.len(), 1, "only the link needs no time");
}

#[test]
fn t43_created_wins_over_the_time_of_the_event() {
    let Entry { facts, .. } = entry(&fixture!("ami_sel.json"));
    assert_eq!(facts.occurred_at_raw.as_deref(), Some("2022-03-09T20:02:22+00:00"));
    assert_eq!(facts.origin.as_deref(), Some("/redfish/v1/Systems/Self"));
    let only = json!({"Id": "1", "Created": "", "EventTimestamp": "2021-02-16T18:14:21Z", "Message": "a"});
    assert_eq!(entry(&only).facts.occurred_at_raw.as_deref(), Some("2021-02-16T18:14:21Z"));
}

#[test]
fn t44_the_same_moment_in_another_zone_is_the_same_entry() {
    let value = fixture!("idrac8_sel.json");
    assert!(same(&value, &with(value.clone(), "/Created", json!("2016-01-21T15:41:34-05:00"))));
}

#[test]
fn t46_a_severity_of_any_shape_is_read() {
    let check = |severity: Value, expected| {
        assert_eq!(entry(&json!({"Id": "1", "Message": "a", "Severity": severity})).facts.severity, expected);
    };
    check(Value::Null, Severity::Unknown);
    check(json!(""), Severity::Unknown);
    check(json!(["Critical"]), Severity::Unknown);
    check(json!("Ok"), Severity::Ok);
    check(json!("Normal"), Severity::Ok);
    assert_eq!(entry(&fixture!("cisco_sel.json")).facts.severity, Severity::Unknown);
}

#[test]
fn t47_t48_old_spellings_and_odd_shapes_cost_nothing() {
    let Entry { facts, .. } = entry(&fixture!("idrac8_sel.json"));
    assert_eq!(facts.message_id.as_deref(), Some("fd0ff"));
    assert_eq!(facts.severity, Severity::Ok);
    let odd = json!({"Id": 17, "EventId": 17, "Message": "a", "MessageArgs": "x", "Links": [], "Oem": "none",
        "OriginOfCondition": "/redfish/v1/Systems/1", "Created": {}, "MessageId": 3.5, "SensorType": null});
    let Entry { facts, .. } = entry(&odd);
    assert_eq!((facts.entry_id.as_deref(), facts.event_id.as_deref()), (Some("17"), Some("17")));
    assert_eq!(facts.origin.as_deref(), Some("/redfish/v1/Systems/1"));
    assert_eq!((facts.message_id.as_deref(), &*facts.message_args), (Some("3.5"), &["x".to_owned()][..]));
    assert_eq!(facts.occurred_at_raw, None);
}

#[test]
fn t49_t50_entries_without_message_or_id_are_entries() {
    assert_eq!(entry(&fixture!("hpe_event.json")).facts.message, "iLORestServicesStarted: 3.14, 2025-06-16");
    let bare = json!({"Id": "1", "Message": "Priority:6 login failed: root"});
    assert_eq!(entry(&bare).facts.message_id, None);
}

#[test]
fn t31_a_link_is_handed_back_as_it_was_sent() {
    let link = json!({"@odata.id": "/redfish/v1/X/Entries/1/"});
    assert!(matches!(member(&link), Ok(Member::Link(path)) if path == "/redfish/v1/X/Entries/1/"));
}

#[test]
fn what_is_no_entry_is_rejected_with_a_reason() {
    let check = |value: Value, expected: &str| assert_eq!(member(&value).unwrap_err().to_string(), expected);
    check(json!("x"), "it is not a JSON object");
    check(json!(["/redfish/v1/X", "1", "2"]), "it is not a JSON object");
    check(Value::Null, "it is not a JSON object");
    check(json!({}), "it has neither an id nor a link nor anything to say");
    let (deep, end) = ("[".repeat(200), "]".repeat(200));
    let deep = format!(r#"{{"Id":"1","Id":"2","Oem":{deep}{end}}}"#);
    assert_eq!(
        decode(&RawValue::from_string(deep).unwrap(), LOG).unwrap_err().to_string(),
        "its JSON cannot be read"
    );
}

#[test]
fn a_key_that_comes_twice_costs_nothing() {
    let raw = RawValue::from_string(r#"{"Id":"1","Message":"a","Id":"2"}"#.to_owned()).unwrap();
    let Ok(Member::Entry(entry)) = decode(&raw, LOG) else { panic!("it is an entry") };
    assert_eq!(entry.facts.entry_id.as_deref(), Some("2"));
    assert_eq!(entry.facts.original.unwrap().get(), raw.get());
}

/// Found by fuzzing.
#[test]
fn half_a_character_or_a_number_without_bounds_costs_nothing_else() {
    let read = |text: &str| decode(&RawValue::from_string(text.to_owned()).unwrap(), LOG);
    let cut = r#"{"Id":"1","Message":"Fan \ud83d","Severity":"Critical","SensorNumber":1e999,"Oem":{"x":"\udc00"}}"#;
    let Ok(Member::Entry(Entry { facts, .. })) = read(cut) else { panic!("it is an entry") };
    assert_eq!((&*facts.message, facts.severity), ("Fan \u{fffd}", Severity::Critical));
    assert_eq!(facts.original.unwrap().get(), cut, "as it came");
}

#[test]
fn lenovo_entries_are_named_by_sequence_and_time() {
    let value = fixture!("lenovo_audit.json");
    assert_eq!(entry(&value).identity.scheme, Scheme::LenovoSequence);
    assert!(same(&value, &with(value.clone(), "/Message", json!("reworded by a firmware update"))));
    assert!(!same(&value, &with(value.clone(), "/Oem/Lenovo/EventSequenceNumber", json!(1617))));
    assert!(!same(&value, &with(value.clone(), "/Created", json!("2025-03-01T09:10:11.127+00:00"))));
}

fn contradict(one: &TwinKey, other: &TwinKey) -> bool {
    one.claims.iter().zip(other.claims).any(|(&one, other)| one != 0 && other != 0 && one != other)
}

#[test]
fn an_event_and_its_entry_share_a_key() {
    let check = |event: &str, value: &Value, key: usize| {
        let raw = RawValue::from_string(event.to_owned()).unwrap();
        let Ok(crate::event::Decoded::Event(event)) = crate::event::decode(&raw) else {
            panic!("it is an event")
        };
        let entry = entry(value);
        let told =
            event.twins.iter().find(|twin| entry.twins.iter().any(|other| other.content == twin.content));
        let told = told.unwrap_or_else(|| panic!("{value} has no twin"));
        assert_eq!(told, &event.twins[key]);
        let other = entry.twins.iter().find(|other| other.content == told.content).unwrap();
        assert!(told.at_ms.abs_diff(other.at_ms) <= told.window_ms.unsigned_abs());
        assert!(!contradict(told, other));
    };
    let link = r#"{"MessageId":"ResourceEvent.1.2.ResourceErrorsDetected","EventTimestamp":"2026-01-05T10:00:01Z","LogEntry":{"@odata.id":"/redfish/v1/systems/System_0/LogServices/EventLog/Entries/1674/"}}"#;
    check(link, &fixture!("nvidia_eventlog.json"), 0);
    let sequence = r#"{"MessageId":"LXPM.1.0.RemoteLogin","EventTimestamp":"2024-03-01T09:10:11.120+00:00","Oem":{"Lenovo":{"EventSequenceNumber":"1616"}}}"#;
    check(sequence, &fixture!("lenovo_audit.json"), 0);
    let by_id = r#"{"EventId":"1674","MessageId":"ResourceEvent.1.2.ResourceErrorsDetected","MessageArgs":["GPU_0","Critical"],"EventTimestamp":"2026-01-05T10:00:01Z"}"#;
    check(by_id, &fixture!("nvidia_eventlog.json"), 0);
    let by_content = by_id.replace("\"1674\"", "\"3\"");
    check(&by_content, &fixture!("nvidia_eventlog.json"), 1);
}

#[test]
fn an_event_that_says_something_else_shares_no_key() {
    let twins = entry(&fixture!("nvidia_eventlog.json")).twins;
    for other in [
        r#"{"EventId":"1674","MessageId":"X.1.0.A","EventTimestamp":"2026-01-05T10:00:01Z"}"#,
        r#"{"MessageId":"X.1.0.A","LogEntry":{"@odata.id":"/redfish/v1/Systems/System_0/LogServices/EventLog/Entries/1674"}}"#,
        r#"{"EventId":"1674","MessageId":"ResourceEvent.1.2.ResourceErrorsDetected"}"#,
        r#"{"MessageId":"ResourceEvent.1.2.ResourceErrorsDetected","MessageArgs":["GPU_1","Critical"],"EventTimestamp":"2026-01-05T10:00:01Z","LogEntry":{"@odata.id":"/redfish/v1/Systems/System_0/LogServices/EventLog/Entries/1674"}}"#,
    ] {
        let raw = RawValue::from_string(other.to_owned()).unwrap();
        let Ok(crate::event::Decoded::Event(event)) = crate::event::decode(&raw) else {
            panic!("it is an event")
        };
        assert!(
            event
                .twins
                .iter()
                .all(|twin| { twins.iter().all(|key| key.content != twin.content || contradict(key, twin)) }),
            "{other}"
        );
    }
}

proptest! {
    #[test]
    fn no_json_panics(text in r#"\{("(Id|@odata[.]id|Created|Oem|Links|MessageArgs|Severity)":(null|1|"x"|\[\]|\{\}|\[1,"a"\]|"0000-00-00"),){0,4}"Name":1\}"#) {
        let raw = RawValue::from_string(text).unwrap();
        decode(&raw, LOG).ok();
    }
}
