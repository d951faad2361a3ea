//! What peers show of a record: one line of text, whatever the BMC left out.

use std::borrow::Cow;

use model::Record;

/// The message; without one, the id and its arguments; without those, the kind.
pub(crate) fn text_of(record: &Record) -> Cow<'_, str> {
    let facts = &record.facts;
    match (&facts.message_id, facts.message_args.is_empty()) {
        _ if !facts.message.is_empty() => Cow::Borrowed(&facts.message),
        (Some(id), true) => Cow::Borrowed(id),
        (Some(id), false) => Cow::Owned(format!("{id}: {}", facts.message_args.join(", "))),
        (None, _) => Cow::Borrowed(record.kind.as_str()),
    }
}
