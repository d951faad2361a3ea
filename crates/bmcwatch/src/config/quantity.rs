//! Durations ("5m") and sizes ("10GiB"), read and written.

use std::time::Duration;

use super::problem::Refusal;

/// Longer waits are typing mistakes, and adding them to an instant could overflow.
const DURATION_MAX: Duration = Duration::from_hours(3650 * 24);

const SIZE_HINT: &str =
    "write a number and a unit: B, KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of 1024)";

/// Units of size.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A duration above zero and not above ten years.
pub(crate) fn duration(text: &str) -> Result<Duration, Refusal> {
    let duration = humantime::parse_duration(text).map_err(|_| {
        Refusal::new(format!("{text:?} is not a duration"))
            .hint("write a number and a unit, such as \"90s\", \"5m\", \"1h 30m\" or \"14d\"")
    })?;
    if duration.is_zero() {
        return Err(Refusal::new("the duration must be above 0"));
    }
    if duration > DURATION_MAX {
        return Err(Refusal::new(format!("{text:?} is longer than ten years")));
    }
    Ok(duration)
}

/// A size in bytes, above zero. A bare number is bytes.
pub(crate) fn size(text: &str) -> Result<u64, Refusal> {
    let refused = || Refusal::new(format!("{text:?} is not a size")).hint(SIZE_HINT);
    let digits = text.trim().find(|c: char| !c.is_ascii_digit()).unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(digits);
    let number: u64 = number.parse().map_err(|_| refused())?;
    let unit = unit.trim();
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let factor = match known {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => return Err(refused()),
    };
    match number.checked_mul(factor) {
        Some(0) => Err(Refusal::new("the size must be above 0")),
        // The database counts in signed 64 bits.
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => Err(Refusal::new(format!("{text:?} is larger than any disk"))),
    }
}

/// A duration as the shortest exact text in one unit: `24h`, `14d`, `1500ms`.
pub(crate) fn duration_text(duration: Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let seconds = duration.as_secs();
    if duration.subsec_nanos() != 0 {
        return humantime::format_duration(duration).to_string();
    }
    match seconds {
        // "24h" is what people write for one day.
        _ if seconds >= 2 * DAY && seconds.is_multiple_of(DAY) => format!("{}d", seconds / DAY),
        _ if seconds >= 3600 && seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds >= 60 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// A size as an exact text with the smallest number.
pub(crate) fn size_text(bytes: u64) -> String {
    let exact = UNITS.iter().filter(|(_, factor)| bytes.is_multiple_of(*factor));
    let (unit, factor) = exact.max_by_key(|(_, factor)| *factor).expect("1 divides everything");
    format!("{}{unit}", bytes / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_come_back_as_they_were_written() {
        for text in ["24h", "14d", "30m", "90s", "36h", "1s 500ms"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        for bad in ["", "5", "5 parsecs", "0s", "11years", "-5m"] {
            duration(bad).unwrap_err();
        }
    }

    #[test]
    fn sizes_come_back_as_they_were_written() {
        for text in ["10GiB", "100MiB", "1GB", "7B", "1536KiB", "3TB"] {
            assert_eq!(size_text(size(text).unwrap()), text);
        }
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("1 gib"), Ok(1 << 30));
        for bad in ["", "GiB", "10 GiBs", "0MB", "1.5GB", "-1B", "99999999TiB"] {
            size(bad).unwrap_err();
        }
    }
}
