//! Lines, and a strict reader of RFC 5424 that shares nothing with their writer.

use std::{collections::BTreeMap, sync::Arc};

use model::{Endpoint, EndpointId, Facts, Kind, Origin, Uid};
use proptest::prelude::*;

use super::*;
use crate::syslog::{Facility, LIMIT_MIN};

const FORM: SyslogForm = SyslogForm { facility: Facility::DEFAULT, enterprise: 32473, limit: 8 << 10 };

fn record() -> Record {
    let endpoint = Endpoint {
        id: EndpointId::try_from("r17-u12").unwrap(),
        address: "https://10.0.17.12".to_owned(),
        labels: [("rack".to_owned(), "r17".to_owned())].into(),
    };
    let facts = Facts {
        occurred_at: Some("2026-11-20T13:58:00.5Z".parse().unwrap()),
        occurred_at_raw: None,
        severity: Severity::Critical,
        message: "CPU 1 has an internal error".to_owned(),
        message_id: Some("IDRAC.2.9.CPU0001".to_owned()),
        message_args: Vec::new(),
        log_service: Some("/redfish/v1/Systems/1/LogServices/Sel".to_owned()),
        entry_id: Some("7".to_owned()),
        event_id: None,
        origin: None,
        original: None,
    };
    Record {
        uid: Uid::derive([b"one".as_slice()]),
        kind: Kind::Entry,
        source: Origin::Poll,
        endpoint: Arc::new(endpoint),
        observed_at: "2026-11-20T13:59:00.25Z".parse().unwrap(),
        facts,
    }
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
struct Read<'a> {
    priority: u16,
    head: [&'a str; 5],
    elements: BTreeMap<&'a str, Vec<(&'a str, String)>>,
    text: &'a str,
}

/// Splits where `end` stands, which must be there.
fn until(text: &str, end: char) -> (&str, &str) {
    text.split_once(end).unwrap_or_else(|| panic!("no {end:?} in {text:?}"))
}

fn read(line: &str) -> Read<'_> {
    let (priority, mut rest) = until(line.strip_prefix('<').unwrap(), '>');
    rest = rest.strip_prefix("1 ").unwrap();
    let head = [32, 255, 48, 128, 32].map(|most| {
        let (word, after) = until(rest, ' ');
        rest = after;
        assert!((1..=most).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic()), "{word:?}");
        word
    });
    assert!(head[0] == "-" || DateTime::parse_from_rfc3339(head[0]).is_ok(), "{}", head[0]);
    let mut elements = BTreeMap::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find([' ', ']']).unwrap();
        let name = sd_name(&inner[..end]);
        let mut parameters = Vec::new();
        rest = &inner[end..];
        while let Some(parameter) = rest.strip_prefix(' ') {
            let (name, after) = until(parameter, '=');
            let (value, after) = value(after.strip_prefix('"').unwrap());
            parameters.push((sd_name(name), value));
            rest = after;
        }
        rest = rest.strip_prefix(']').unwrap();
        assert!(elements.insert(name, parameters).is_none(), "{name} twice");
    }
    let text = rest.strip_prefix(" \u{feff}").unwrap();
    Read { priority: priority.parse().unwrap(), head, elements, text }
}

fn sd_name(name: &str) -> &str {
    assert!((1..=32).contains(&name.len()), "{name:?}");
    assert!(name.bytes().all(|b| b.is_ascii_graphic() && !b"=]\"".contains(&b)), "{name:?}");
    name
}

/// A value up to its closing quote, and what is behind it.
fn value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            ']' => panic!("an open bracket in {text:?}"),
            '\\' => {
                let (_, escaped) = chars.next().unwrap();
                assert!("\"\\]".contains(escaped));
                value.push(escaped);
            }
            c => value.push(c),
        }
    }
    panic!("no end in {text:?}")
}

#[test]
fn a_whole_line_says_what_the_record_says() {
    let expected = format!(
        concat!(
            "<130>1 2026-11-20T13:58:00.500Z r17-u12 redfish Sel IDRAC.2.9.CPU0001 ",
            "[timeQuality tzKnown=\"1\" isSynced=\"0\"]",
            "[origin ip=\"10.0.17.12\" software=\"bmcwatch\" swVersion=\"{version}\"][meta sequenceId=\"48211\"]",
            "[redfish@32473 uid=\"{uid}\" position=\"48211\" kind=\"entry\" source=\"poll\" ",
            "observedAt=\"2026-11-20T13:59:00.250Z\" messageId=\"IDRAC.2.9.CPU0001\" id=\"7\" ",
            "logService=\"/redfish/v1/Systems/1/LogServices/Sel\" rack=\"r17\"] ",
            "\u{feff}CPU 1 has an internal error"
        ),
        version = env!("CARGO_PKG_VERSION"),
        uid = record().uid,
    );
    assert_eq!(line(48_211, &record(), &FORM, FORM.limit), expected);
}

#[test]
fn severity_and_facility_make_the_priority() {
    for (severity, facility, expected) in [
        (Severity::Ok, Facility::DEFAULT, 134),
        (Severity::Warning, Facility::DEFAULT, 132),
        (Severity::Critical, Facility::DEFAULT, 130),
        (Severity::Unknown, Facility::DEFAULT, 133),
        (Severity::Critical, Facility(0), 2),
        (Severity::Unknown, Facility(23), 189),
    ] {
        let mut record = record();
        record.facts.severity = severity;
        assert_eq!(read(&line(1, &record, &SyslogForm { facility, ..FORM }, 8192)).priority, expected);
    }
}

#[test]
fn what_is_not_known_is_a_dash_and_what_does_not_fit_the_head_is_replaced_or_cut() {
    let mut record = record();
    record.facts.occurred_at = None;
    record.facts.log_service = None;
    record.facts.message_id = None;
    let text = line(1, &record, &FORM, FORM.limit);
    let bare = read(&text);
    assert_eq!(bare.head, ["-", "r17-u12", "redfish", "-", "-"]);
    assert!(!bare.elements.contains_key("timeQuality"), "of no time it can say nothing");
    record.facts.log_service = Some(format!("/a/{}/", "é ".repeat(200)));
    record.facts.message_id = Some("Größe 1234567890123456789012345678901234".to_owned());
    let text = line(1, &record, &FORM, FORM.limit);
    let [.., service, message_id] = read(&text).head;
    assert_eq!((service, message_id), (&*"_".repeat(128), "Gr__e_12345678901234567890123456"));
}

#[test]
fn values_are_escaped_and_labels_that_are_called_as_our_own_are_told_apart() {
    let mut record = record();
    let mut endpoint = (*record.endpoint).clone();
    endpoint.labels = [("id", r#"a"b\c]d"#), ("x y=]\"é", "1\n2\u{7f}\u{85}3")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    endpoint.address = "https://[fd00:17::12]:8443".to_owned();
    record.endpoint = endpoint.into();
    record.facts.message = "one\r\ntwo\u{1b}[2J\u{2028}\0\"]\\".to_owned();
    let text = line(1, &record, &FORM, FORM.limit);
    assert!(text.contains(r#" label.id="a\"b\\c\]d" xy="1 2  3"]"#), "{text}");
    let read = read(&text);
    assert_eq!(read.text, "one  two [2J  \"]\\");
    assert_eq!(read.elements["origin"][0], ("ip", "fd00:17::12".to_owned()));
}

#[test]
fn the_sequence_begins_anew_where_the_standard_ends_it() {
    for (position, expected) in
        [(1, "1"), (SEQUENCE_MAX, "2147483647"), (SEQUENCE_MAX + 1, "1"), (u64::MAX, "3")]
    {
        let text = line(position, &record(), &FORM, FORM.limit);
        assert_eq!(read(&text).elements["meta"], [("sequenceId", expected.to_owned())]);
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_between_characters_and_a_value_is_left_out_whole() {
    let mut record = record();
    record.facts.message = "ü".repeat(10_000);
    let text = line(1, &record, &FORM, FORM.limit);
    assert!((FORM.limit - 1..=FORM.limit).contains(&text.len()), "{}", text.len());
    assert!(read(&text).text.ends_with("ü…"));
    record.facts.origin = Some("o".repeat(10_000));
    let text = line(1, &record, &FORM, FORM.limit);
    let parameters = &read(&text).elements["redfish@32473"];
    assert!(parameters.iter().all(|(name, _)| *name != "origin"));
    assert_eq!(parameters.last().unwrap(), &("rack", "r17".to_owned()));
}

prop_compose! {
    fn any_record()(
        texts in prop::collection::vec(prop::option::of(any::<String>()), 7),
        labels in prop::collection::btree_map(any::<String>(), any::<String>(), 0..6),
        id in "[^\\s\\p{Cc}]{1,60}",
        filler in 0..12_000_usize,
        seconds in prop::option::of(any::<i64>()),
        severity in prop::sample::select(vec![Severity::Ok, Severity::Warning, Severity::Critical, Severity::Unknown]),
    ) -> Record {
        let mut record = record();
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        let address = next().unwrap_or_default();
        record.endpoint = Arc::new(Endpoint { id: EndpointId::try_from(&*id).unwrap(), address, labels });
        let facts = &mut record.facts;
        facts.message = next().unwrap_or_default() + &"é]".repeat(filler / 3);
        facts.message_id = next();
        facts.log_service = next();
        facts.entry_id = next();
        facts.event_id = next();
        facts.origin = next();
        facts.severity = severity;
        facts.occurred_at = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        record
    }
}

proptest! {
    #[test]
    fn any_record_is_one_line_under_its_limit_that_can_be_read(
        record in any_record(),
        position in any::<u64>(),
        facility in 0..24_u8,
        enterprise in any::<u32>(),
        limit in LIMIT_MIN..12_000,
    ) {
        let form = SyslogForm { facility: Facility(facility), enterprise, limit };
        let text = line(position, &record, &form, limit);
        prop_assert!(text.len() <= limit);
        prop_assert!(!text.chars().any(char::is_control));
        let read = read(&text);
        prop_assert_eq!(read.priority / 8, u16::from(facility));
        let element = format!("redfish@{enterprise}");
        prop_assert_eq!(&read.elements[&*element][0], &("uid", record.uid.to_string()));
    }
}
