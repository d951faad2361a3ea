//! The text of a record for people.
//!
//! Whatever the BMC wrote counts as it stands; where it wrote none (T50), a readable text is made of the MessageId and
//! its arguments, or the text of a message registry is filled in. Not here: the registries (`registry`), and any other
//! cap (the record keeps the text whole; pages and events have their own caps).

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

/// A registry's text with `%1` to `%n` replaced by the arguments; a number without an argument stays as it is. `None` when
/// the result has more than `bytes_max` bytes: many `%1` and a long argument make a text of any length.
pub(crate) fn filled(template: &str, args: &[String], bytes_max: usize) -> Option<String> {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: Option<usize> = after[..digits].parse().ok();
        if let Some(arg) = number.and_then(|number| args.get(number.checked_sub(1)?)) {
            text.push_str(arg.trim());
            rest = &after[digits..];
        } else {
            text.push('%');
            rest = after;
        }
        if text.len() > bytes_max {
            return None;
        }
    }
    text.push_str(rest);
    (text.len() <= bytes_max).then_some(text)
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
    fn t50_the_text_of_a_registry_takes_the_arguments() {
        let args: Vec<String> = ["a", " b ", "%1"].map(str::to_owned).to_vec();
        let fill = |template| filled(template, &args, 100).unwrap();
        assert_eq!(fill("Fan %1 at %2 is %3."), "Fan a at b is %1.");
        assert_eq!(fill("%2%1%10 100% %0 %"), "ba%10 100% %0 %");
        assert_eq!(fill("plain"), "plain");
        assert_eq!(fill("Grad %1\u{b0}"), "Grad a\u{b0}");
        assert_eq!(filled(&"%1".repeat(100), &["x".repeat(100)], 5000), None);
        assert_eq!(filled("abcdef", &[], 5), None);
    }

    #[test]
    fn nothing_gives_nothing() {
        check(None, None, &[], "");
        check(None, None, &["", "a"], "a");
    }
}
