//! Which records are asked for: the parameters that `/api/v1/events` and `/api/v1/tail` share, read and applied. Pure.
//!
//! Every problem names its parameter. Not here: where reading begins and ends (`events`, `tail`).

use std::fmt::Display;

use axum::http::StatusCode;
use chrono::{DateTime, TimeDelta, Utc};
use journal::Position;
use model::{Kind, Pattern, Severity, codec::Facets};

use super::problem::Problem;
use crate::config::suggest;

/// Longer than any id; a pattern costs by its length.
const PATTERN_BYTES_MAX: usize = 512;

/// What holds of the records that are asked for. What is not given holds of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// At least as bad as this.
    pub(super) severity: Option<Severity>,
    endpoint: Option<Pattern>,
    kinds: Vec<Kind>,
    message_id: Option<Pattern>,
    /// Observed at this time or later.
    pub(super) since: Option<DateTime<Utc>>,
    /// Observed before this time.
    pub(super) until: Option<DateTime<Utc>>,
}

/// What a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) filter: Filter,
    /// Only records after this position.
    pub(super) after: Option<Position>,
    /// Only records before this position, newest first.
    pub(super) before: Option<Position>,
    /// So many at most.
    pub(super) limit: Option<usize>,
}

impl Filter {
    /// Whether a record is asked for.
    pub(super) fn admits(&self, facets: &Facets<'_>) -> bool {
        let fits = |pattern: &Option<Pattern>, id: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| id.is_some_and(|id| pattern.matches(id)))
        };
        self.severity.is_none_or(|least| facets.severity.reaches(least))
            && (self.kinds.is_empty() || self.kinds.contains(&facets.kind))
            && fits(&self.endpoint, Some(&facets.endpoint.id))
            && fits(&self.message_id, facets.message_id.as_deref())
            && self.since.is_none_or(|since| facets.observed_at >= since)
            && self.until.is_none_or(|until| facets.observed_at < until)
    }
}

/// Reads the parameters of a request, of which these are `known`.
pub(super) fn read(
    parameters: &[(String, String)],
    known: &[&str],
    now: DateTime<Utc>,
) -> Result<Asked, Problem> {
    let mut asked = Asked::default();
    let mut seen: Vec<&str> = Vec::new();
    for (name, text) in parameters {
        if !known.contains(&name.as_str()) {
            return Err(wrong(
                name,
                format_args!("there is no such parameter here; {}", suggest(name, known)),
            ));
        }
        // Only of kinds can there be more than one.
        if name != "kind" && seen.contains(&name.as_str()) {
            return Err(wrong(name, "it is given twice"));
        }
        seen.push(name);
        read_one(&mut asked, name, text, now)?;
    }
    Ok(asked)
}

fn read_one(asked: &mut Asked, name: &str, text: &str, now: DateTime<Utc>) -> Result<(), Problem> {
    let filter = &mut asked.filter;
    match name {
        "severity" => filter.severity = Some(severity(text)?),
        "endpoint" => filter.endpoint = Some(pattern(name, text)?),
        "message_id" => filter.message_id = Some(pattern(name, text)?),
        "kind" => {
            for word in text.split(',') {
                filter.kinds.push(kind(word)?);
            }
        }
        "since" => filter.since = Some(time(name, text, now)?),
        "until" => filter.until = Some(time(name, text, now)?),
        "after" => asked.after = Some(position(name, text)?),
        "before" if text == "end" => asked.before = Some(Position::MAX),
        "before" => asked.before = Some(position(name, text)?),
        "limit" => asked.limit = Some(number(name, text, "is not a whole number")?),
        _ => unreachable!("{name} is known and not read"),
    }
    Ok(())
}

fn wrong(name: &str, why: impl Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{name}: {why}"))
}

fn severity(text: &str) -> Result<Severity, Problem> {
    let words = Severity::ALL.map(Severity::as_str);
    let found = Severity::ALL.into_iter().find(|severity| severity.as_str() == text);
    found.ok_or_else(|| wrong("severity", format_args!("{text:?} is none; {}", suggest(text, &words))))
}

fn kind(text: &str) -> Result<Kind, Problem> {
    let words = Kind::ALL.map(Kind::as_str);
    let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| wrong("kind", format_args!("{text:?} is none; {}", suggest(text, &words))))
}

fn pattern(name: &str, text: &str) -> Result<Pattern, Problem> {
    let short = text.len() <= PATTERN_BYTES_MAX;
    Pattern::of(text).filter(|_| short).ok_or_else(|| {
        wrong(name, format_args!("write an id, or a part of it with *, of at most {PATTERN_BYTES_MAX} bytes"))
    })
}

/// A moment, or how long ago it was.
fn time(name: &str, text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, Problem> {
    // In a URL, a plus that is not escaped reads as a blank.
    if let Ok(at) = DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
        return Ok(at.to_utc());
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| TimeDelta::from_std(ago).ok());
    ago.and_then(|ago| now.checked_sub_signed(ago)).ok_or_else(|| {
        wrong(
            name,
            format_args!("{text:?} is neither a time such as 2026-11-20T14:02:09Z nor an age such as 2h"),
        )
    })
}

fn position(name: &str, text: &str) -> Result<Position, Problem> {
    number(name, text, "is not a position (a whole number)")
}

fn number<T: std::str::FromStr>(name: &str, text: &str, why: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| wrong(name, format_args!("{text:?} {why}")))
}

#[cfg(test)]
mod tests {
    use model::codec::FacetEndpoint;

    use super::*;

    const KNOWN: [&str; 9] =
        ["after", "before", "limit", "since", "until", "severity", "endpoint", "kind", "message_id"];

    fn asked(query: &str) -> Result<Asked, String> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs: Vec<_> = pairs
            .map(|pair| pair.split_once('=').map(|(name, text)| (name.to_owned(), text.to_owned())).unwrap())
            .collect();
        read(&pairs, &KNOWN, "2026-11-20T14:00:00Z".parse().unwrap()).map_err(|problem| problem.to_string())
    }

    fn facets() -> Facets<'static> {
        Facets {
            kind: Kind::Entry,
            severity: Severity::Warning,
            endpoint: FacetEndpoint { id: "r17-u12".into() },
            observed_at: "2026-11-20T13:00:00Z".parse().unwrap(),
            message_id: Some("IDRAC.2.9.CPU0001".into()),
        }
    }

    #[test]
    fn what_is_not_asked_about_holds_of_every_record() {
        assert!(asked("").unwrap().filter.admits(&facets()));
        let mut bare = facets();
        bare.message_id = None;
        assert!(asked("").unwrap().filter.admits(&bare));
        assert!(!asked("message_id=*").unwrap().filter.admits(&bare));
    }

    #[test]
    fn a_severity_that_is_not_known_passes_as_a_warning_as_it_does_for_sinks() {
        let unknown = Facets { severity: Severity::Unknown, ..facets() };
        let admitted = ["unknown", "ok", "warning", "critical"]
            .map(|least| asked(&format!("severity={least}")).unwrap().filter.admits(&unknown));
        assert_eq!(admitted, [true, true, true, false]);
    }

    #[test]
    fn every_parameter_is_asked_about_for_itself() {
        for (query, admitted) in [
            ("severity=ok", true),
            ("severity=warning", true),
            ("severity=critical", false),
            ("endpoint=r17-u12", true),
            ("endpoint=r17-*", true),
            ("endpoint=r17", false),
            ("kind=gap,entry", true),
            ("kind=gap&kind=entry", true),
            ("kind=gap", false),
            ("message_id=*CPU*", true),
            ("message_id=*cpu*", false),
            ("since=1h", true),
            ("since=59m", false),
            ("since=2026-11-20T13:00:00Z", true),
            ("since=2026-11-20T14:00:00 01:00", true),
            ("until=1h", false),
            ("until=59m", true),
            ("since=2h&until=30m&severity=warning&kind=entry&endpoint=*&message_id=IDRAC.*", true),
        ] {
            assert_eq!(asked(query).unwrap().filter.admits(&facets()), admitted, "{query}");
        }
    }

    #[test]
    fn a_problem_names_its_parameter_and_the_way_out() {
        for (query, expected) in [
            (
                "severity=warn",
                "severity: \"warn\" is none; there are \"unknown\", \"ok\", \"warning\", \"critical\"",
            ),
            ("severity=criticl", "severity: \"criticl\" is none; did you mean \"critical\"?"),
            ("severty=ok", "severty: there is no such parameter here; did you mean \"severity\"?"),
            ("kind=entry,gp", "kind: \"gp\" is none; "),
            ("endpoint=", "endpoint: write an id, or a part of it with *"),
            ("message_id=a b", "message_id: write an id"),
            (
                "since=yesterday",
                "since: \"yesterday\" is neither a time such as 2026-11-20T14:02:09Z nor an age such as 2h",
            ),
            ("until=", "until: \"\" is neither"),
            ("after=-1", "after: \"-1\" is not a position (a whole number)"),
            ("before=x", "before: \"x\" is not a position (a whole number)"),
            ("limit=many", "limit: \"many\" is not a whole number"),
            ("limit=1&limit=2", "limit: it is given twice"),
        ] {
            let told = asked(query).unwrap_err();
            assert!(told.starts_with(expected), "{query}: {told}");
        }
    }
}
