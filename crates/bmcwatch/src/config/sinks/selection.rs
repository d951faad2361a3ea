//! Which records a sink gets: the keys that all types have.

use model::{Kind, Pattern, Severity};
use sink::{Filter, Selection};

use crate::config::{
    nearest::suggest,
    problem::Refusal,
    quantity,
    reader::{Reader, Table},
};

const SEVERITIES: [(&str, Severity); 3] =
    [("ok", Severity::Ok), ("warning", Severity::Warning), ("critical", Severity::Critical)];

const KINDS: [Kind; 5] = [Kind::Entry, Kind::Event, Kind::Gap, Kind::Cleared, Kind::Changed];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Selection {
    let filter = Filter {
        min_severity: table.word(reader, "min_severity", &SEVERITIES),
        kinds: table.list(reader, "kinds", kind).unwrap_or_default(),
        labels: table.labels(reader, "labels").unwrap_or_default(),
        message_ids: table.list(reader, "message_ids", pattern).unwrap_or_default(),
    };
    for key in ["kinds", "labels", "message_ids"].into_iter().filter(|key| table.is_empty(key)) {
        let refusal = Refusal::new("names nothing").hint("name something, or take it out to get everything");
        table.problem(reader, key, refusal);
    }
    Selection { filter, max_lag: table.read(reader, "max_lag", quantity::duration) }
}

fn kind(text: &str) -> Result<Kind, Refusal> {
    let words = KINDS.map(Kind::as_str);
    KINDS
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| Refusal::new(format!("{text:?} is not a kind of record")).hint(suggest(text, &words)))
}

fn pattern(text: &str) -> Result<Pattern, Refusal> {
    Pattern::of(text).ok_or_else(|| {
        Refusal::new(format!("{text:?} matches no MessageId"))
            .hint("write one, or a part of it with *, such as \"IDRAC.*.CPU*\"")
    })
}
