//! What an entry says of its own log: that it was cleared, that entries were lost, that somebody logged in.
//!
//! Only wordings seen on real BMCs count, as whole phrases in any case: a part whose fault has cleared must not pass for
//! a log that was cleared. Not here: what follows from a sign (`collect`).

/// What an entry says about its own log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// It is the marker that a clear leaves behind ("IML Cleared", `LoggingCleared`; T5).
    pub cleared: bool,
    /// It says that entries were lost before it (`FirstOverflowTimestamp`).
    pub overflowed: bool,
    /// It tells of a login or a logout that succeeded, and may be our own doing (T74).
    pub session: bool,
}

/// How the text of a marker begins: HPE, iDRAC and XCC, AMI and Supermicro.
const CLEARED_BEGINNINGS: [&str; 10] = [
    "iml cleared",
    "event log cleared",
    "security log cleared",
    "security log area reset",
    "ilo event log cleared",
    "integrated management log cleared",
    "log cleared",
    "sel cleared",
    "system event log cleared",
    "log area reset/cleared",
];
/// What stands somewhere in it: IPMI decoders and Lenovo put the sensor or the name of the log before it.
const CLEARED_PHRASES: [&str; 3] =
    ["log area reset/cleared", "event log has been cleared", "system event log (sel) cleared"];
/// The last part of its MessageId: phosphor-logging, and registries of SELs.
const CLEARED_KEYS: [&str; 3] = ["loggingcleared", "logcleared", "selcleared"];
/// The last part of the MessageId of iDRAC's logins and logouts.
const SESSION_KEYS: [&str; 3] = ["usr0030", "usr0031", "usr0032"];
/// How a login or logout is told by HPE and Lenovo; a failed one reads otherwise and is none of ours.
const SESSION_BEGINNINGS: [&str; 10] = [
    "browser login:",
    "browser logout:",
    "host rest login:",
    "host rest logout:",
    "redfish/rest login:",
    "redfish/rest logout:",
    "rest login:",
    "rest logout:",
    "remote login successful",
    "successfully logged in using",
];

impl Signs {
    /// What MessageId, text and the bounds of a lost range say.
    pub(super) fn of(message_id: Option<&str>, message: Option<&str>, lost: [Option<&str>; 2]) -> Self {
        let key = message_id.and_then(|id| id.trim().rsplit('.').next()).unwrap_or_default();
        let is_one_of = |keys: &[&str]| keys.iter().any(|known| known.eq_ignore_ascii_case(key));
        let text = message.unwrap_or_default().trim();
        let begins_with_one_of = |all: &[&str]| all.iter().any(|phrase| begins(text, phrase));
        Self {
            cleared: is_one_of(&CLEARED_KEYS)
                || begins_with_one_of(&CLEARED_BEGINNINGS)
                || words(text).any(|rest| CLEARED_PHRASES.iter().any(|phrase| begins(rest, phrase))),
            overflowed: lost.iter().any(Option::is_some),
            session: is_one_of(&SESSION_KEYS) || begins_with_one_of(&SESSION_BEGINNINGS),
        }
    }
}

/// Whether the text begins with the phrase, and the phrase ends where a word ends.
fn begins(text: &str, phrase: &str) -> bool {
    let head = text.as_bytes().get(..phrase.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(phrase.as_bytes()))
        && !text.as_bytes().get(phrase.len()).is_some_and(u8::is_ascii_alphanumeric)
}

/// What follows from each beginning of a word on, and from each sign that is none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_alphanumeric());
    std::iter::once(text).chain(ends.filter_map(|(at, _)| text.get(at + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(message_id: &str, message: &str) -> Signs {
        Signs::of(Some(message_id), Some(message), [None, None])
    }

    #[test]
    fn t5_the_marker_of_a_clear_is_known_on_every_vendor() {
        for (id, message) in [
            ("35.1017", "IML Cleared (iLO user: Administrator)"),
            ("17.1", "Security log cleared by: System Administrator"),
            ("1ffff", "Log cleared."),
            ("xyz.openbmc_project.Logging.1.0.LoggingCleared", ""),
            ("OpenBMC.0.1.LoggingCleared", "Event log has been cleared."),
            ("IPMI", "SEL cleared"),
            ("Redfish.1.0.LogCleared", "anything"),
            ("0x10", "Event Logging Disabled - Log Area Reset/Cleared - Asserted"),
        ] {
            assert!(signs(id, message).cleared, "{message}");
        }
    }

    #[test]
    fn a_fault_that_cleared_is_no_log_that_was() {
        for (id, message) in [
            ("CrayAlerts.HardwareFaultsCleared", "All hardware reported faults have been cleared for 9V."),
            ("StorageDevice.1.0.DriveOfflineCleared", "DriveOfflineCleared (Slot=9:Port=9)"),
            ("x", "Log clearedness"),
            ("x", "The user asked whether the IML cleared"),
            ("x", ""),
        ] {
            assert!(!signs(id, message).cleared, "{message}");
        }
    }

    #[test]
    fn t74_logins_that_may_be_ours_are_known_and_failed_ones_are_not() {
        for (id, message) in [
            ("USR0030", "Successfully logged in using root, from 10.0.0.1 and REDFISH."),
            ("IDRAC.2.9.USR0032", "The session for root from 10.0.0.1 using REDFISH is logged off."),
            ("31.1", "Browser login: monitor - 10.0.0.1(DNS name not found)."),
            ("31.2", "Browser logout: monitor - 10.0.0.1(DNS name not found)."),
            ("", "Remote Login Successful. Login ID: monitor from webguis at IP address 10.0.0.1."),
        ] {
            assert!(signs(id, message).session, "{message}");
        }
        for (id, message) in [
            ("31.3", "Browser login failure from: 10.0.0.1(DNS name not found)."),
            ("USR0034", "SSH login was not successful (username=a, ip=10.0.0.1)"),
            ("31.4", "iLO detected 5 unauthorized login attempts."),
        ] {
            assert!(!signs(id, message).session, "{message}");
        }
    }

    #[test]
    fn a_lost_range_is_a_sign_by_either_of_its_ends() {
        let lost = |from, to| Signs::of(None, None, [from, to]).overflowed;
        assert!(lost(Some("2026-01-01T00:00:00Z"), None) && lost(None, Some("2026-01-01T00:00:00Z")));
        assert!(!lost(None, None));
    }
}
