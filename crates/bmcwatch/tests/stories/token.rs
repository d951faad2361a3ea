//! The token that a simulated BMC puts into all that it says happened, as it is found in records.

use model::Record;

/// The token of what became this record: `[token]` at the end of the message, or the last argument where there is no such
/// message.
pub(crate) fn token(record: &Record) -> String {
    let told = record.facts.message.strip_suffix(']').and_then(|message| message.rsplit_once('['));
    let last = || record.facts.message_args.last().cloned().unwrap_or_default();
    told.map_or_else(last, |(_, token)| token.to_owned())
}
