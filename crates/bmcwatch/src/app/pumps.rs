//! From the sinks of the config to pumps.

use std::sync::Arc;

use sink::{
    Dependencies, FileConfig, HttpConfig, NatsConfig, OtlpConfig, OtlpMapping, Pump, Settings, SinkStatus,
    StdoutConfig, SyslogConfig, SyslogTransport,
};

use super::{StartError, peers::Followed};
use crate::config::{Config, Opening, PeerConfig, SinkConfig, SinkKind, SyslogAddress};

/// Where Linux tells the name of the host.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// What carries records out.
pub(super) struct Pumps {
    pub(super) to_run: Vec<Pump>,
    /// In the order of the pumps.
    pub(super) statuses: Arc<[SinkStatus]>,
    /// What opens their peers.
    pub(super) followed: Vec<Followed>,
}

/// A pump for each sink.
pub(super) fn build(config: &Config, with: &Dependencies) -> Result<Pumps, StartError> {
    let (mut pumps, mut statuses, mut followed) = (Vec::new(), Vec::new(), Vec::new());
    for config in &config.sinks {
        let sink = sink(config, &mut followed)?;
        let settings = Settings { name: config.name.clone(), sink, selection: config.selection.clone() };
        let (pump, status) = Pump::new(settings, with.clone());
        pumps.push(pump);
        statuses.push(status);
    }
    Ok(Pumps { to_run: pumps, statuses: statuses.into(), followed })
}

fn sink(config: &SinkConfig, followed: &mut Vec<Followed>) -> Result<sink::SinkConfig, StartError> {
    let mut open = |opening: &Opening| {
        let begun = Followed::begin(&config.name, opening);
        let (follow, access) = begun
            .map_err(|unusable| StartError::Peer { sink: config.name.clone(), why: unusable.refusal.text })?;
        followed.push(follow);
        Ok::<_, StartError>(access)
    };
    let mut peer = |peer: &PeerConfig| {
        let PeerConfig { url, compression, timeout, .. } = peer.clone();
        Ok::<_, StartError>(sink::PeerConfig { url, compression, timeout, access: open(&peer.opening)? })
    };
    Ok(match &config.kind {
        SinkKind::Stdout => sink::SinkConfig::Stdout(StdoutConfig::default()),
        SinkKind::File(file) => sink::SinkConfig::File(FileConfig {
            path: file.path.clone(),
            max_size: file.max_size,
            max_files: file.max_files,
            rotate_every: file.rotate_every,
            packing: file.compress,
            sync: file.sync,
        }),
        SinkKind::Http(http) => sink::SinkConfig::Http(HttpConfig {
            peer: peer(&http.peer)?,
            format: http.format,
            stream_labels: http.stream_labels.clone(),
        }),
        SinkKind::Otlp(otlp) => sink::SinkConfig::Otlp(OtlpConfig {
            peer: peer(&otlp.peer)?,
            mapping: OtlpMapping {
                instance: otlp.instance.clone().unwrap_or_else(host_name),
                resource: otlp.resource.clone(),
                severities: otlp.severity_numbers,
                original: otlp.include_original,
            },
        }),
        SinkKind::Syslog(syslog) => sink::SinkConfig::Syslog(SyslogConfig {
            transport: match &syslog.address {
                SyslogAddress::Udp(at) => SyslogTransport::Udp(at.clone()),
                SyslogAddress::Tcp(at) => SyslogTransport::Tcp(at.clone()),
                SyslogAddress::Tls(at, opening) => SyslogTransport::Tls(at.clone(), open(opening)?),
                SyslogAddress::Unix(path) => SyslogTransport::Unix(path.clone()),
            },
            form: syslog.form,
            timeout: syslog.timeout,
        }),
        SinkKind::Nats(nats) => sink::SinkConfig::Nats(NatsConfig {
            servers: nats.servers.clone(),
            subject: nats.subject.clone(),
            timeout: nats.timeout,
            access: open(&nats.opening)?,
        }),
    })
}

fn host_name() -> String {
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => name.to_owned(),
    }
}
