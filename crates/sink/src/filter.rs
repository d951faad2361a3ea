//! Which records a sink is for. A record that does not fit counts as delivered and is counted.
//!
//! Pure. Not here: how old a record may be (`selection`), and how an operator writes it (the program).

use std::collections::BTreeMap;

use model::{Kind, Pattern, Record, Severity};

/// What a record must be to reach the sink; every key that is given must fit, and of a list one is enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The least severity, as [`Severity::reaches`] has it.
    pub min_severity: Option<Severity>,
    /// Kinds of records; none given means all.
    pub kinds: Vec<Kind>,
    /// Labels that the endpoint carries, all of them.
    pub labels: BTreeMap<String, String>,
    /// Patterns of `MessageId`; none given means all. A record without one does not fit any.
    pub message_ids: Vec<Pattern>,
}

impl Filter {
    /// Whether it lets everything through, so that records need not be read for it.
    pub(crate) fn is_open(&self) -> bool {
        let Self { min_severity, kinds, labels, message_ids } = self;
        min_severity.is_none() && kinds.is_empty() && labels.is_empty() && message_ids.is_empty()
    }

    /// Whether the record reaches the sink.
    pub(crate) fn passes(&self, record: &Record) -> bool {
        let fits = |id: &String| self.message_ids.iter().any(|pattern| pattern.matches(id));
        self.min_severity.is_none_or(|least| record.facts.severity.reaches(least))
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.labels.iter().all(|(name, value)| record.endpoint.labels.get(name) == Some(value))
            && (self.message_ids.is_empty() || record.facts.message_id.as_ref().is_some_and(fits))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Endpoint, EndpointId, Facts, Origin, Uid};

    use super::*;

    fn record(kind: Kind, severity: Severity, message_id: Option<&str>) -> Record {
        let facts = Facts {
            occurred_at: None,
            occurred_at_raw: None,
            severity,
            message: String::new(),
            message_id: message_id.map(str::to_owned),
            message_args: Vec::new(),
            log_service: None,
            entry_id: None,
            event_id: None,
            origin: None,
            original: None,
        };
        let endpoint = Endpoint {
            id: EndpointId::try_from("r17-u12").unwrap(),
            address: "https://10.0.17.12".to_owned(),
            labels: [("rack", "r17"), ("site", "fra1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        };
        Record {
            uid: Uid::derive([b"x".as_slice()]),
            kind,
            source: Origin::Poll,
            endpoint: Arc::new(endpoint),
            observed_at: "2026-11-20T14:02:11.304Z".parse().unwrap(),
            facts,
        }
    }

    #[test]
    fn a_record_of_unknown_severity_passes_as_a_warning() {
        let passing = |least| {
            let filter = Filter { min_severity: Some(least), ..Filter::default() };
            let passes = |severity: &Severity| filter.passes(&record(Kind::Entry, *severity, None));
            Severity::ALL.into_iter().filter(passes).collect::<Vec<_>>()
        };
        assert_eq!(passing(Severity::Ok), Severity::ALL);
        assert_eq!(passing(Severity::Warning), [Severity::Unknown, Severity::Warning, Severity::Critical]);
        assert_eq!(passing(Severity::Critical), [Severity::Critical]);
    }

    #[test]
    fn every_key_must_fit_and_of_a_list_one_is_enough() {
        let record = record(Kind::Gap, Severity::Ok, Some("IDRAC.2.9.CPU0001"));
        let check = |filter: Filter, expected| assert_eq!(filter.passes(&record), expected, "{filter:?}");
        let labels = |pairs: &[(&str, &str)]| Filter {
            labels: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..Filter::default()
        };
        check(Filter::default(), true);
        check(Filter { kinds: vec![Kind::Entry, Kind::Gap], ..Filter::default() }, true);
        check(Filter { kinds: vec![Kind::Entry], ..Filter::default() }, false);
        check(labels(&[("rack", "r17")]), true);
        check(labels(&[("rack", "r17"), ("site", "ams1")]), false);
        check(labels(&[("row", "")]), false);
        check(Filter { kinds: vec![Kind::Entry], ..labels(&[("rack", "r17")]) }, false);
    }

    #[test]
    fn a_message_id_fits_one_of_the_patterns_and_its_absence_fits_none() {
        let filter = |patterns: &[&str]| Filter {
            message_ids: patterns.iter().map(|text| Pattern::of(text).unwrap()).collect(),
            ..Filter::default()
        };
        let with = record(Kind::Entry, Severity::Ok, Some("IDRAC.2.9.CPU0001"));
        for (patterns, fits) in [
            (&["IDRAC.*.CPU*"][..], true),
            (&["IDRAC.2.9.CPU0001"], true),
            (&["IDRAC.2.9.CPU000"], false),
            (&["idrac.*"], false),
            (&["*CPU*", "x"], true),
            (&["x", "y"], false),
            (&["*0001*0001"], false),
            (&["*"], true),
        ] {
            assert_eq!(filter(patterns).passes(&with), fits, "{patterns:?}");
        }
        assert!(!filter(&["*"]).passes(&record(Kind::Entry, Severity::Ok, None)));
    }
}
