//! What is logged: a level, or levels per target.

use tracing_subscriber::filter::{LevelFilter, Targets};

/// They log whatever happens to them, each time; who uses them logs what changed, once. Whoever asks for them gets them.
const SILENT: [&str; 1] = ["async_nats"];

/// A text that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a log level")]
pub struct LevelError(String);

/// Reads `info` or `info,collect=debug`.
///
/// A lone word must be a level: `tracing-subscriber` itself would take `inof` for a crate, and log nothing.
pub fn parse_level(text: &str) -> Result<Targets, LevelError> {
    let mut targets = Targets::new().with_targets(SILENT.map(|target| (target, LevelFilter::OFF)));
    for part in text.split(',').map(str::trim) {
        let refused = || LevelError(part.to_owned());
        targets = match part.split_once('=') {
            None => targets.with_default(level(part).ok_or_else(refused)?),
            Some((target, _)) if target.trim().is_empty() => return Err(refused()),
            Some((target, word)) => {
                targets.with_target(target.trim(), level(word.trim()).ok_or_else(refused)?)
            }
        };
    }
    Ok(targets)
}

fn level(word: &str) -> Option<LevelFilter> {
    let levels = [
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    levels.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, level)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_may_differ_per_crate_and_a_mistyped_one_is_refused() {
        let targets = parse_level("warn, collect=debug").unwrap();
        assert!(targets.would_enable("collect::slot", &tracing::Level::DEBUG));
        assert!(!targets.would_enable("redfish", &tracing::Level::INFO));
        assert!(!targets.would_enable("async_nats::connector", &tracing::Level::ERROR));
        let asked = parse_level("info,async_nats=debug").unwrap();
        assert!(asked.would_enable("async_nats::connector", &tracing::Level::DEBUG));
        for bad in ["", "inof", "info,", "=debug", "collect=loud"] {
            parse_level(bad).unwrap_err();
        }
    }
}
