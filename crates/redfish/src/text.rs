//! The text of a record for people.
//!
//! Whatever the BMC wrote counts as it stands; where it wrote none (T50), a readable text is made of the MessageId and
//! its arguments. Not here: message registries, and any cap (the record keeps the text whole; pages and events have
//! their own caps).

pub(crate) mod loose;

/// The message, or what can be said without one; empty only when there is nothing at all.
pub(crate) fn message(message: Option<&str>, message_id: Option<&str>, args: &[String]) -> String {
    if let Some(message) = message {
        return message.trim().to_owned();
    }
    let args = args.iter().map(|arg| arg.trim()).filter(|arg| !arg.is_empty()).collect::<Vec<_>>().join(", ");
    match (message_id, args.is_empty()) {
        (Some(id), true) => name(id).to_owned(),
        (Some(id), false) => format!("{}: {args}", name(id)),
        (None, _) => args,
    }
}

/// The telling part of a MessageId: the last of `Registry.1.2.Name`, and all of what has another form (`35.1017`,
/// `Bad User PWD`; T49).
fn name(message_id: &str) -> &str {
    let id = message_id.trim();
    match id.rsplit_once('.') {
        Some((registry, name))
            if registry.starts_with(|c: char| c.is_ascii_alphabetic())
                && !name.is_empty()
                && name.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            name
        }
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: Option<&str>, id: Option<&str>, args: &[&str], expected: &str) {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        assert_eq!(message(text, id, &args), expected);
    }

    #[test]
    fn the_bmcs_own_words_win() {
        check(Some(" System BIOS has halted."), Some("fd0ff"), &["x"], "System BIOS has halted.");
    }

    #[test]
    fn t50_a_record_without_message_is_told_by_id_and_arguments() {
        check(
            None,
            Some("iLOEvents.3.11.iLORestServicesStarted"),
            &["3.11", "2025-02-25"],
            "iLORestServicesStarted: 3.11, 2025-02-25",
        );
        check(None, Some("iLOEvents.3.15.ServerPostComplete"), &[], "ServerPostComplete");
    }

    #[test]
    fn t49_ids_of_another_form_stay_whole() {
        check(None, Some("35.1017"), &[], "35.1017");
        check(None, Some("Bad User PWD"), &["root"], "Bad User PWD: root");
        check(None, Some("7e012790"), &[], "7e012790");
        check(None, Some("A.b."), &[], "A.b.");
    }

    #[test]
    fn nothing_gives_nothing() {
        check(None, None, &[], "");
        check(None, None, &["", "a"], "a");
    }
}
