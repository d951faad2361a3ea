//! From the sinks of the config to pumps.

use std::sync::Arc;

use journal::Journal;
use model::Clock;
use prometheus::Registry;
use sink::{Dependencies, FileConfig, Metrics, Pump, Settings, SinkStatus, StdoutConfig};

use crate::config::{Config, SinkConfig, SinkKind};

/// A pump for each sink, and their statuses in the same order.
pub(super) fn pumps(
    config: &Config,
    journal: &Journal,
    clock: &Clock,
    seed: u64,
    registry: &Registry,
) -> Result<(Vec<Pump>, Arc<[SinkStatus]>), prometheus::Error> {
    let metrics = Metrics::register(registry)?;
    let with = Dependencies { journal: journal.clone(), clock: clock.clone(), seed, metrics };
    let pump = |sink: &SinkConfig| Pump::new(settings(sink), with.clone());
    let (pumps, sinks): (Vec<Pump>, Vec<SinkStatus>) = config.sinks.iter().map(pump).unzip();
    Ok((pumps, sinks.into()))
}

fn settings(config: &SinkConfig) -> Settings {
    let sink = match &config.kind {
        SinkKind::Stdout => sink::SinkConfig::Stdout(StdoutConfig::default()),
        SinkKind::File(file) => sink::SinkConfig::File(FileConfig {
            path: file.path.clone(),
            max_size: file.max_size,
            max_files: file.max_files,
        }),
    };
    Settings { name: config.name.clone(), sink, selection: config.selection.clone() }
}
