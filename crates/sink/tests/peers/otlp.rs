//! OTLP against an independent receiver: Python with `opentelemetry-proto`. Where that cannot be had, a desk is told so; in
//! CI (`BMCWATCH_CI`) it is a failure.

use std::process::Stdio;

use model::{HARDWARE_MARK, Hardware};
use serde_json::{Value, json};
use sink::{OtlpConfig, OtlpMapping, SeverityNumbers, SinkConfig, SinkView};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use crate::{
    otlp_python::python,
    story::{PATIENCE, Story, access, no_tls, peer, record, until},
};

struct Receiver {
    port: String,
    seen: mpsc::Receiver<Value>,
    _reading: JoinSet<()>,
    _process: Child,
}

impl Receiver {
    /// `None` where there is no Python with the package, and that is no failure.
    #[expect(clippy::print_stderr, reason = "what was not checked must be seen")]
    async fn start() -> Option<Self> {
        let python = match python() {
            Ok(python) => python,
            Err(why) => {
                #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
                let must = std::env::var("BMCWATCH_CI").is_ok();
                assert!(!must, "the independent OTLP receiver is not to be had: {why}");
                eprintln!("NOT CHECKED: the independent OTLP receiver is not to be had: {why}");
                return None;
            }
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/otlp_receiver.py");
        let mut command = Command::new(python);
        command.arg(script).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, lines.next_line()).await.expect("in time").unwrap().expect("its port");
        // Whoever does not read what it prints stops it.
        let (tell, seen) = mpsc::channel(1000);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                tell.try_send(serde_json::from_str(&line).unwrap()).unwrap();
            }
        });
        Some(Self { port, seen, _reading: reading, _process: process })
    }

    async fn request(&mut self) -> Value {
        timeout(PATIENCE, self.seen.recv()).await.expect("in time").expect("it runs")
    }

    fn sink(&self, path: &str) -> SinkConfig {
        let (_, access) = access("Bearer one", no_tls());
        SinkConfig::Otlp(OtlpConfig {
            peer: peer(&format!("http://127.0.0.1:{}{path}", self.port), access),
            mapping: OtlpMapping {
                instance: "watcher-1".to_owned(),
                resource: [("deployment.environment.name".to_owned(), "test".to_owned())].into(),
                severities: SeverityNumbers { critical: 21, ..SeverityNumbers::default() },
                original: true,
            },
        })
    }
}

/// Sends records 1 to `last`, the last of another endpoint, to this path.
async fn send(receiver: &Receiver, path: &str, last: u64) -> SinkView {
    let mut story = Story::begin().await;
    let mut other = record(last);
    let mut endpoint = (*other.endpoint).clone();
    endpoint.id = "r17-u13".try_into().unwrap();
    other.endpoint = endpoint.into();
    other.facts.occurred_at = None;
    other.facts.original = None;
    story.append((1..last).map(record).chain([other])).await;
    // What the BMC of the first said of its machine; that of the other was not asked yet.
    story.mark("r17-u12", HARDWARE_MARK, hardware().encode()).await;
    let mut status = story.pump(receiver.sink(path));
    let view = until(&mut status, |view| view.position == last).await;
    assert!(story.dead_letters().await.len() as u64 <= view.rejected);
    story.end().await;
    view
}

fn hardware() -> Hardware {
    let said = |text: &str| Some(text.to_owned());
    Hardware {
        system_uuid: said("4c4c4544-0036-4d10-8035-b7c04f4b3233"),
        manufacturer: said("Dell Inc."),
        model: said("PowerEdge R750"),
        serial_number: None,
        bmc_firmware_version: said("7.10.30.00"),
        bmc_type: said("iDRAC9"),
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn resource(endpoint: &str, hardware: &[(&str, &str)]) -> Value {
    let address = [("bmc.address", "https://10.0.17.12")];
    let ours = [
        ("service.name", "bmcwatch"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", "watcher-1"),
        ("host.name", endpoint),
    ];
    let chosen = [
        ("bmcwatch.label.rack", "r17"),
        ("bmcwatch.label.site", "fra1"),
        ("deployment.environment.name", "test"),
    ];
    let all = ours.iter().chain(&address).chain(hardware).chain(&chosen);
    json!({"attributes": all.map(|(key, value)| text(key, value)).collect::<Vec<_>>()})
}

/// What the receiver should have read of a record.
fn log_record(number: u64) -> Value {
    json!({
        "timeUnixNano": "1795183080000000000",
        "observedTimeUnixNano": "1795183140250000000",
        "severityNumber": "SEVERITY_NUMBER_FATAL",
        "severityText": "Critical",
        "body": {"stringValue": format!("record <{number}>")},
        "eventName": "redfish.log_entry",
        "attributes": [
            text("log.record.uid", &record(number).uid.to_string()),
            {"key": "bmcwatch.sequence", "value": {"intValue": number.to_string()}},
            text("bmcwatch.source", "poll"),
            {"key": "bmcwatch.backfill", "value": {"boolValue": false}},
            text("redfish.message_id", "IDRAC.2.9.CPU0001"),
            text("redfish.entry_id", &number.to_string()),
            text("redfish.log_service", "/redfish/v1/Systems/1/LogServices/Sel"),
            {"key": "redfish.message_args", "value": {"arrayValue": {"values": [{"stringValue": "1"}]}}},
        ],
    })
}

#[tokio::test]
async fn an_independent_receiver_reads_every_field() {
    let Some(mut receiver) = Receiver::start().await else { return };
    let view = send(&receiver, "/v1/logs", 3).await;
    assert_eq!((view.delivered, view.attempts.success), (3, 1));
    let seen = receiver.request().await;
    assert_eq!(seen["headers"]["content-type"], "application/x-protobuf");
    assert_eq!(seen["headers"]["content-encoding"], "gzip");
    assert_eq!(seen["headers"]["authorization"], "Bearer one");
    let scope = json!({"name": "bmcwatch", "version": env!("CARGO_PKG_VERSION")});
    let with_original = |number| {
        let mut record = log_record(number);
        let attributes = record["attributes"].as_array_mut().unwrap();
        attributes.push(text("redfish.oem", r#"{"x":{"y":1}}"#));
        attributes.push(text("log.record.original", r#"{"Id":"1","Oem":{"x":{"y":1}}}"#));
        record
    };
    let mut undated = log_record(3);
    undated.as_object_mut().unwrap().remove("timeUnixNano");
    let hardware = [
        ("host.id", "4c4c4544-0036-4d10-8035-b7c04f4b3233"),
        ("host.type", "PowerEdge R750"),
        ("hw.enclosure.vendor", "Dell Inc."),
        ("hw.enclosure.model", "PowerEdge R750"),
        ("bmc.firmware_version", "7.10.30.00"),
        ("bmc.type", "iDRAC9"),
    ];
    let expected = json!({"resourceLogs": [
        {"resource": resource("r17-u12", &hardware),
         "scopeLogs": [{"scope": scope, "logRecords": [with_original(1), with_original(2)]}]},
        {"resource": resource("r17-u13", &[]), "scopeLogs": [{"scope": scope, "logRecords": [undated]}]},
    ]});
    assert_eq!(seen["request"], expected, "{:#}", seen["request"]);
}

#[tokio::test]
async fn records_that_a_receiver_refuses_without_a_name_are_counted_and_not_sent_again() {
    let Some(mut receiver) = Receiver::start().await else { return };
    let view = send(&receiver, "/partial", 3).await;
    assert_eq!((view.delivered, view.rejected, view.attempts.success), (2, 1, 1));
    receiver.request().await;
    let view = send(&receiver, "/v1/logs", 1).await;
    assert_eq!(view.delivered, 1);
    assert_eq!(receiver.request().await["path"], "/v1/logs", "nothing went to /partial in between");
}

#[tokio::test]
async fn a_busy_receiver_gets_the_batch_again_and_a_poisoned_one_gets_the_rest() {
    let Some(receiver) = Receiver::start().await else { return };
    let view = send(&receiver, "/busy", 3).await;
    assert_eq!((view.delivered, view.attempts.retryable, view.attempts.success), (3, 1, 1));
    let view = send(&receiver, "/poison", 40).await;
    assert_eq!((view.delivered, view.rejected), (39, 1));
}

#[tokio::test]
async fn an_answer_that_is_no_protobuf_is_not_taken_for_a_success() {
    let Some(receiver) = Receiver::start().await else { return };
    let mut story = Story::begin().await;
    story.append([record(1)]).await;
    let mut status = story.pump(receiver.sink("/mute"));
    let view = until(&mut status, |view| view.last_error.is_some()).await;
    assert!(view.last_error.unwrap().starts_with("understand the answer to a batch: "));
    assert_eq!(view.position, 0);
    story.end().await;
}
