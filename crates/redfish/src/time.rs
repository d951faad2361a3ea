//! Times as BMCs write them (T40-T45), read without ever guessing.
//!
//! A time without a zone names no moment, so it reads as none: the BMC's text is kept in the record. Not here: the
//! skew of a BMC's clock.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// 2010-01-01T00:00:00Z in seconds. No Redfish service is older, so an earlier time (1970, 1999-12-31, 2001: T40) is
/// a clock that was never set.
const EARLIEST_SECONDS: i64 = 1_262_304_000;
/// How far a BMC's clock may be ahead of ours and still be believed.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);
/// The longest time text we read; the longest known shape has 37 characters.
const TEXT_BYTES_MAX: usize = 64;

/// Whether something can have happened then: not before 2010, and not more than a day after `now`.
pub fn plausible(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at.timestamp() >= EARLIEST_SECONDS && at - now <= AHEAD_MAX
}

/// The moment that the text names, if it is in 2010 or later. The future is judged by [`plausible`], where a clock is.
pub(crate) fn parse_plausible(text: &str) -> Option<DateTime<Utc>> {
    parse(text).filter(|at| at.timestamp() >= EARLIEST_SECONDS)
}

/// The moment that the text names: RFC 3339 and its relatives (`+0000`, a blank for `T`, no seconds, blanks around),
/// seconds or milliseconds since 1970 as a number, or RFC 2822. `None` for anything else, above all for a time
/// without a zone and for `0000-00-00`.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX || !text.is_ascii() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return epoch(text);
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        // A leap second counts as the second before it, here too.
        let at = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
        return DateTime::from_timestamp(at.timestamp(), 0);
    }
    iso(text.as_bytes())
}

/// Seconds since 1970 have 9 or 10 digits (1973 to 2286), milliseconds 12 or 13.
fn epoch(digits: &str) -> Option<DateTime<Utc>> {
    let number: i64 = digits.parse().ok()?;
    match digits.len() {
        9 | 10 => DateTime::from_timestamp(number, 0),
        12 | 13 => DateTime::from_timestamp_millis(number),
        _ => None,
    }
}

/// `YYYY-MM-DD`, `T` or a blank, `hh:mm`, perhaps `:ss` and a fraction, and the zone.
fn iso(text: &[u8]) -> Option<DateTime<Utc>> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(rest.strip_prefix(b"-")?, 2)?;
    let (day, rest) = number(rest.strip_prefix(b"-")?, 2)?;
    let rest =
        rest.strip_prefix(b"T").or_else(|| rest.strip_prefix(b"t")).or_else(|| rest.strip_prefix(b" "))?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 2)?;
    let (second, rest) = match rest.strip_prefix(b":") {
        Some(rest) => number(rest, 2)?,
        None => (0, rest),
    };
    let (nanos, rest) = fraction(rest);
    let offset = zone(rest.trim_ascii())?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    // A leap second counts as the second before it.
    let second = if second == 60 { 59 } else { second };
    let local = date.and_hms_nano_opt(hour, minute, second, nanos)?;
    Some(local.checked_sub_signed(offset)?.and_utc())
}

/// Exactly so many digits.
fn number(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = text.split_at_checked(digits)?;
    let value = head
        .iter()
        .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))?;
    Some((value, rest))
}

/// A fraction of any length in nanoseconds, 0 when there is none.
fn fraction(text: &[u8]) -> (u32, &[u8]) {
    let Some(digits) = text.strip_prefix(b".").or_else(|| text.strip_prefix(b",")) else { return (0, text) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let nanos = (0..9).fold(0, |nanos, at| {
        let digit = if at < length { u32::from(digits[at] - b'0') } else { 0 };
        nanos * 10 + digit
    });
    (nanos, &digits[length..])
}

/// `Z`, `UTC`, `GMT`, `+hh:mm`, `+hhmm` or `+hh`; `-00:00` is UTC.
fn zone(text: &[u8]) -> Option<TimeDelta> {
    if [&b"Z"[..], b"UTC", b"GMT"].iter().any(|name| name.eq_ignore_ascii_case(text)) {
        return Some(TimeDelta::zero());
    }
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = number(&text[1..], 2)?;
    let (minutes, rest) = match rest.strip_prefix(b":").unwrap_or(rest) {
        [] => (0, &[][..]),
        rest => number(rest, 2)?,
    };
    (rest.is_empty() && hours < 24 && minutes < 60)
        .then(|| TimeDelta::minutes(sign * i64::from(hours * 60 + minutes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).map(|at| at.to_rfc3339()).as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn t42_every_shape_that_names_a_moment_is_read() {
        check("2025-08-12T23:50:38Z", "2025-08-12T23:50:38+00:00");
        check("2025-01-29T23:26:31-0600", "2025-01-30T05:26:31+00:00");
        check("2021-02-10T22:26:10+0000", "2021-02-10T22:26:10+00:00");
        check("2018-05-30 13:27:39+00:00", "2018-05-30T13:27:39+00:00");
        check(" 2018-05-30 13:27:39.5 +02 ", "2018-05-30T11:27:39.500+00:00");
        check("2024-01-01T00:00:00.123456-00:00", "2024-01-01T00:00:00.123456+00:00");
        check("2024-01-01T00:00:00.1234567891234Z", "2024-01-01T00:00:00.123456789+00:00");
        check("2012-03-07T14:44Z", "2012-03-07T14:44:00+00:00");
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00");
        check("1791618011", "2026-10-10T07:40:11+00:00");
        check("1791618011123", "2026-10-10T07:40:11.123+00:00");
        check("Tue, 29 Nov 2022 12:04:25 GMT", "2022-11-29T12:04:25+00:00");
        check("Tue, 29 Nov 2022 12:04:60 GMT", "2022-11-29T12:04:59+00:00");
    }

    #[test]
    fn t41_t42_a_text_that_names_no_moment_is_never_guessed() {
        for text in [
            "0000-00-00T00:00:00Z",
            "0000-00-00T00:00:00+00:00",
            "2022-06-13 12:17:54 ",
            "2012-03-07T14:44",
            "Tue Nov 29 12:04:25 2022",
            "2022-02-30T00:00:00Z",
            "2022-02-03T24:00:00Z",
            "2022-02-03T00:00:00+25:00",
            "2022-02-03T00:00:00Zulu",
            "",
            "0",
            "17",
            "N/A",
            "2022-02-03T00:00:00+1",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn t40_a_clock_that_was_never_set_is_not_believed() {
        for text in
            ["1970-03-18T12:06:05+00:00", "1999-12-31T12:00:39+00:00", "2001-10-23T00:00:00Z", "000000001"]
        {
            assert!(parse(text).is_some(), "{text}");
            assert_eq!(parse_plausible(text), None, "{text}");
        }
        let now = parse("2026-11-20T12:00:00Z").unwrap();
        assert!(plausible(parse("2026-11-21T12:00:00Z").unwrap(), now));
        assert!(!plausible(parse("2026-11-21T12:00:01Z").unwrap(), now));
        assert!(!plausible(parse("2009-12-31T23:59:59Z").unwrap(), now));
    }

    #[test]
    fn t44_two_offsets_in_one_log_name_moments_in_order() {
        assert!(parse("2016-11-06T01:59:59-05:00") < parse("2016-11-06T01:00:01-06:00"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,70}") {
            parse(&text);
        }

        #[test]
        fn nothing_near_a_time_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([.][0-9]{0,12})?(Z|[+-][0-9:]{0,5})?") {
            parse(&text);
        }

        #[test]
        fn what_chrono_reads_we_read_alike(seconds in 0i64..4_000_000_000, nanos in 0u32..1_000_000_000, minutes in -840i32..840) {
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            prop_assert_eq!(parse(&at.with_timezone(&zone).to_rfc3339()), Some(at));
        }
    }
}
