//! What bmcwatch itself has to say about a log: entries may be missing, the log was cleared. Pure.
//!
//! A notice becomes a record in the same transaction as the bookmark from which it follows (`ingest`).

use chrono::{DateTime, SecondsFormat, Utc};
use model::{Facts, Kind, LogBookmark, Severity};
use serde_json::{json, value::RawValue};

use crate::{
    GapReason,
    continuity::{Continuity, Lost},
};

/// Something to be told about a log, or about a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) kind: Kind,
    pub(crate) reason: GapReason,
    /// From when on entries may be missing: the last time at which all was known to be read.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Up to when.
    pub(crate) to: DateTime<Utc>,
    pub(crate) lost: Lost,
    /// What makes this notice another than the one before it.
    pub(crate) about: Vec<u64>,
}

/// What follows from a verdict.
pub(crate) fn of_verdict(verdict: Continuity, before: &LogBookmark, now: DateTime<Utc>) -> Vec<Notice> {
    let notice = |kind, reason, lost| Notice {
        kind,
        reason,
        from: before.read_at_ms.and_then(DateTime::from_timestamp_millis),
        to: now,
        lost,
        about: about(before),
    };
    let gap = |reason, lost| match lost {
        Lost::AtMost(0) => None,
        Lost::AtMost(_) | Lost::Unknown => Some(notice(Kind::Gap, reason, lost)),
    };
    let clear = |lost| {
        let cleared = notice(Kind::Cleared, GapReason::Cleared, lost);
        [cleared].into_iter().chain(gap(GapReason::Cleared, lost)).collect()
    };
    match verdict {
        Continuity::Continues | Continuity::WrappedWithoutLoss | Continuity::CannotTell(_) => Vec::new(),
        Continuity::WrappedWithLoss(lost) | Continuity::Refilled(lost) => {
            gap(GapReason::Wrapped, lost).into_iter().collect()
        }
        Continuity::Restarted(lost) => gap(GapReason::Restarted, lost).into_iter().collect(),
        Continuity::Replaced => gap(GapReason::Replaced, Lost::Unknown).into_iter().collect(),
        Continuity::Cleared(lost) => clear(lost),
        Continuity::Emptied => clear(Lost::Unknown),
    }
}

/// The log says by itself that it loses entries, or has no room for new ones.
pub(crate) fn of_loss_at_the_source(reason: GapReason, before: &LogBookmark, now: DateTime<Utc>) -> Notice {
    let from = before.read_at_ms.and_then(DateTime::from_timestamp_millis);
    Notice { kind: Kind::Gap, reason, from, to: now, lost: Lost::Unknown, about: about(before) }
}

fn about(before: &LogBookmark) -> Vec<u64> {
    let read_at = before.read_at_ms.unwrap_or_default().cast_unsigned();
    vec![before.generation.into(), before.newest.last().copied().unwrap_or_default(), read_at]
}

impl Notice {
    /// The record's facts; `log` is the path of the log service, where it is about one.
    pub(crate) fn facts(&self, log: Option<&str>) -> Facts {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let at_most = match self.lost {
            Lost::AtMost(count) => Some(count),
            Lost::Unknown => None,
        };
        let original = json!({
            "reason": self.reason.as_str(),
            "log": log,
            "from": self.from.map(time),
            "to": time(self.to),
            "at_most": at_most,
        });
        let severity = if self.kind == Kind::Cleared { Severity::Ok } else { Severity::Warning };
        Facts {
            occurred_at: Some(self.to),
            occurred_at_raw: None,
            severity,
            message: self.message(log, at_most),
            message_id: None,
            message_args: Vec::new(),
            log_service: log.map(str::to_owned),
            entry_id: None,
            event_id: None,
            origin: None,
            original: RawValue::from_string(original.to_string()).ok(),
        }
    }

    fn message(&self, log: Option<&str>, at_most: Option<u64>) -> String {
        let what = log.map_or_else(|| "the event stream".to_owned(), |log| format!("the log {log}"));
        if self.kind == Kind::Cleared {
            return format!("{what} was cleared");
        }
        let how_many = match at_most {
            Some(1) => "one entry".to_owned(),
            Some(count) => format!("up to {count} entries"),
            None => "entries".to_owned(),
        };
        let why = match self.reason {
            GapReason::Wrapped => "it wrapped over entries that had not been read",
            GapReason::Cleared => "it was cleared, and what it had held since the last reading is unknown",
            GapReason::Restarted => "its numbers or times began anew, and nothing that was known is left",
            GapReason::Replaced => "another machine answers at this address",
            GapReason::Overflow => "the BMC says that it lost entries",
            GapReason::Full => "it is full and takes no new entries until it is cleared",
            GapReason::Dropped => "the BMC says that it dropped events while the stream was open",
        };
        format!("{how_many} of {what} may be missing: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn told(verdict: Continuity) -> Vec<String> {
        let read_at = now() - chrono::TimeDelta::minutes(5);
        let before = LogBookmark { read_at_ms: Some(read_at.timestamp_millis()), ..LogBookmark::default() };
        of_verdict(verdict, &before, now()).iter().map(|notice| notice.facts(Some("/L")).message).collect()
    }

    #[test]
    fn a_clear_is_told_and_with_it_what_may_have_gone_unread() {
        assert_eq!(told(Continuity::Cleared(Lost::AtMost(0))), ["the log /L was cleared"]);
        assert_eq!(
            told(Continuity::Cleared(Lost::AtMost(3))),
            [
                "the log /L was cleared",
                "up to 3 entries of the log /L may be missing: it was cleared, and what it had held since the last \
                 reading is unknown"
            ]
        );
        assert_eq!(told(Continuity::Cleared(Lost::Unknown)).len(), 2);
    }

    #[test]
    fn what_goes_on_or_cannot_be_told_yet_is_not_told() {
        assert!(told(Continuity::Continues).is_empty());
        assert!(told(Continuity::WrappedWithoutLoss).is_empty());
        assert!(told(Continuity::WrappedWithLoss(Lost::AtMost(0))).is_empty());
    }

    #[test]
    fn a_gap_says_where_from_when_to_when_how_many_and_why() {
        let before = LogBookmark { read_at_ms: Some(now().timestamp_millis()), ..LogBookmark::default() };
        let gaps = of_verdict(Continuity::WrappedWithLoss(Lost::AtMost(12)), &before, now());
        let original = gaps[0].facts(Some("/L")).original.unwrap();
        let expected = r#"{"at_most":12,"from":"2026-11-20T12:00:00.000Z","log":"/L","reason":"wrapped","to":"2026-11-20T12:00:00.000Z"}"#;
        assert_eq!(original.get(), expected);
    }
}
