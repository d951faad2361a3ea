//! The many words BMCs use for how bad something is (T46), in ours.

use model::Severity;

/// The first of the words that says something; [`Severity::Unknown`] when none does.
pub(crate) fn first_known(words: &[Option<&str>]) -> Severity {
    words
        .iter()
        .flatten()
        .map(|word| of(word))
        .find(|&severity| severity != Severity::Unknown)
        .unwrap_or(Severity::Unknown)
}

/// What one word means, in any case: Redfish `Health`, and what Cisco, OME-M, HPE and syslog-minded firmware write.
fn of(word: &str) -> Severity {
    const WORDS: [(&str, Severity); 22] = [
        ("ok", Severity::Ok),
        ("warning", Severity::Warning),
        ("critical", Severity::Critical),
        ("informational", Severity::Ok),
        ("information", Severity::Ok),
        ("info", Severity::Ok),
        ("normal", Severity::Ok),
        ("good", Severity::Ok),
        ("notice", Severity::Ok),
        ("debug", Severity::Ok),
        ("cleared", Severity::Ok),
        ("repaired", Severity::Ok),
        ("degraded", Severity::Warning),
        ("minor", Severity::Warning),
        ("caution", Severity::Warning),
        ("warn", Severity::Warning),
        ("fatal", Severity::Critical),
        ("major", Severity::Critical),
        ("error", Severity::Critical),
        ("failed", Severity::Critical),
        ("alert", Severity::Critical),
        ("emergency", Severity::Critical),
    ];
    let word = word.trim();
    WORDS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word))
        .map_or(Severity::Unknown, |&(_, severity)| severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t46_every_word_seen_on_real_bmcs_is_known() {
        for word in ["OK", "Ok", " ok ", "Informational", "Normal", "Info"] {
            assert_eq!(of(word), Severity::Ok, "{word}");
        }
        for word in ["Warning", "DEGRADED", "Minor"] {
            assert_eq!(of(word), Severity::Warning, "{word}");
        }
        for word in ["Critical", "Fatal", "Major", "error"] {
            assert_eq!(of(word), Severity::Critical, "{word}");
        }
        for word in ["", "Unknown", "17", "\u{0}"] {
            assert_eq!(of(word), Severity::Unknown, "{word}");
        }
    }

    #[test]
    fn t46_the_second_field_counts_where_the_first_says_nothing() {
        assert_eq!(first_known(&[None, Some("Warning")]), Severity::Warning);
        assert_eq!(first_known(&[Some("?"), Some("Warning")]), Severity::Warning);
        assert_eq!(first_known(&[Some("Critical"), Some("OK")]), Severity::Critical);
        assert_eq!(first_known(&[None, None]), Severity::Unknown);
    }
}
