//! A journal in memory, records in it, and pumps to peers.

use std::{sync::Arc, time::Duration};

use journal::{Batch, Item, Journal, KeptLetter, Location, Mark, Retention, When};
use model::{Clock, Endpoint, EndpointId, Facts, Kind, Origin, Record, Secret, Severity, Uid, codec};
use rustls::{ClientConfig, RootCertStore};
use serde_json::value::RawValue;
use sink::{
    Compression, Dependencies, HttpConfig, HttpFormat, Metrics, NatsLogin, PeerAccess, PeerConfig, Pump,
    Selection, Settings, SinkConfig, SinkStatus, SinkView,
};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A busy machine is slow; nothing here takes long by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Story {
    pub(crate) journal: Journal,
    tasks: JoinSet<()>,
    pumps: Vec<AbortHandle>,
    stop: CancellationToken,
}

impl Story {
    pub(crate) async fn begin() -> Self {
        let retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };
        let (journal, writer) = Journal::open(Location::Memory, retention, Arc::new(|| 0)).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run());
        Self { journal, tasks, pumps: Vec::new(), stop: CancellationToken::new() }
    }

    /// A sink called `peer`.
    pub(crate) fn pump(&mut self, sink: SinkConfig) -> SinkStatus {
        let clock = Clock::from_fn(|| "2026-11-20T14:00:00Z".parse().unwrap());
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let (_, reopen) = watch::channel(0);
        let with = Dependencies { journal: self.journal.clone(), clock, seed: 7, metrics, reopen };
        let settings = Settings { name: "peer".to_owned(), sink, selection: Selection::default() };
        let (pump, status) = Pump::new(settings, with);
        self.pumps.push(self.tasks.spawn(pump.run(self.stop.clone())));
        status
    }

    /// Ends the pumps where they are, as a kill does.
    pub(crate) async fn kill_pumps(&mut self) {
        self.pumps.drain(..).for_each(|pump| pump.abort());
        while self.tasks.len() > 1 {
            let ended = timeout(PATIENCE, self.tasks.join_next()).await.expect("they end").unwrap();
            assert!(ended.is_err_and(|error| error.is_cancelled()));
        }
    }

    /// What the collectors keep of an endpoint beside its records.
    pub(crate) async fn mark(&self, scope: &str, name: &str, value: Vec<u8>) {
        let marks = vec![Mark { name: name.to_owned(), value }];
        self.journal.append(Batch { scope: scope.into(), items: Vec::new(), marks }).await.unwrap();
    }

    pub(crate) async fn append(&self, records: impl IntoIterator<Item = Record>) {
        let item = |record: Record| Item {
            key: record.uid.to_bytes(),
            twins: Vec::new(),
            bytes: Some(codec::encode(&record)),
            when: When::Always,
        };
        let items = records.into_iter().map(item).collect();
        self.journal.append(Batch { scope: "bmc".into(), items, marks: Vec::new() }).await.unwrap();
    }

    pub(crate) async fn dead_letters(&self) -> Vec<KeptLetter> {
        self.journal.dead_letters("peer", 0, 1000).await.unwrap()
    }

    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.len() > 1 {
            timeout(PATIENCE, self.tasks.join_next()).await.expect("pumps end").unwrap().unwrap();
        }
        self.journal.close();
        timeout(PATIENCE, self.tasks.join_next()).await.expect("the writer ends").unwrap().unwrap();
    }
}

pub(crate) async fn until(status: &mut SinkStatus, condition: impl FnMut(&SinkView) -> bool) -> SinkView {
    let met = timeout(PATIENCE, status.wait_for(condition)).await;
    assert!(met.unwrap_or_else(|_| panic!("in time: {:?}", status.view())), "the pump ended");
    status.view()
}

/// Whoever is trusted, nobody is: for peers without TLS.
pub(crate) fn no_tls() -> Arc<ClientConfig> {
    client(RootCertStore::empty())
}

pub(crate) fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
}

/// What opens a peer, with one header, and the place to change it.
pub(crate) fn access(
    header: &str,
    tls: Arc<ClientConfig>,
) -> (watch::Sender<PeerAccess>, watch::Receiver<PeerAccess>) {
    watch::channel(with_header(header, tls))
}

pub(crate) fn with_header(header: &str, tls: Arc<ClientConfig>) -> PeerAccess {
    let name = "authorization".parse().unwrap();
    PeerAccess { headers: vec![(name, Secret::new(header.to_owned()))], login: NatsLogin::None, tls }
}

pub(crate) fn peer(url: &str, access: watch::Receiver<PeerAccess>) -> PeerConfig {
    PeerConfig {
        url: url.parse().unwrap(),
        compression: Compression::Gzip,
        timeout: Duration::from_secs(20),
        access,
    }
}

/// A sink that posts in this format.
pub(crate) fn http(address: std::net::SocketAddr, format: HttpFormat) -> SinkConfig {
    let (_, access) = access("Bearer one", no_tls());
    let peer = peer(&format!("http://{address}/push?token=hidden"), access);
    SinkConfig::Http(HttpConfig { peer, format, stream_labels: vec!["site".to_owned()] })
}

/// The record of this number, which is its entry id and stands in its message.
pub(crate) fn record(number: u64) -> Record {
    let labels = [("rack", "r17"), ("site", "fra1")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let endpoint = Endpoint {
        id: EndpointId::try_from("r17-u12").unwrap(),
        address: "https://10.0.17.12".to_owned(),
        labels,
    };
    let facts = Facts {
        occurred_at: Some("2026-11-20T13:58:00Z".parse().unwrap()),
        occurred_at_raw: Some("2026-11-20T13:58:00Z".to_owned()),
        severity: Severity::Critical,
        message: format!("record <{number}>"),
        message_id: Some("IDRAC.2.9.CPU0001".to_owned()),
        message_args: vec!["1".to_owned()],
        log_service: Some("/redfish/v1/Systems/1/LogServices/Sel".to_owned()),
        entry_id: Some(number.to_string()),
        event_id: None,
        origin: None,
        original: Some(RawValue::from_string(r#"{"Id":"1","Oem":{"x":{"y":1}}}"#.to_owned()).unwrap()),
    };
    Record {
        uid: Uid::derive([number.to_le_bytes().as_slice()]),
        kind: Kind::Entry,
        source: Origin::Poll,
        endpoint: Arc::new(endpoint),
        observed_at: "2026-11-20T13:59:00.250Z".parse().unwrap(),
        facts,
    }
}
