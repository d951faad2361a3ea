//! The whole metrics page against a golden file, for a fixed fleet, and its names against `docs/METRICS.md`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p bmcwatch --test metrics_page` rewrites the file; then read the diff.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bmcwatch::metrics::{Exposition, Metrics, Snapshot, Writable};
use chrono::TimeDelta;
use collect::{EndpointView, Load, Mode, State};
use journal::Stat;
use model::{Endpoint, EndpointId};
use sink::{Attempts, SinkView};

fn endpoint(id: &str) -> Arc<Endpoint> {
    let id = EndpointId::try_from(id).unwrap();
    Arc::new(Endpoint { address: format!("https://{id}.example"), id, labels: BTreeMap::new() })
}

fn streaming() -> EndpointView {
    EndpointView {
        endpoint: endpoint("r17-u12"),
        state: State::Streaming,
        mode: Mode::Auto,
        reason: None,
        since: "2026-11-20T14:00:00Z".parse().unwrap(),
        last_error: None,
        last_error_at: None,
        last_success_at: Some("2026-11-20T14:02:11.304Z".parse().unwrap()),
        last_event_at: Some("2026-11-20T14:02:09Z".parse().unwrap()),
        next_try_at: None,
        next_stream_try_at: None,
        insecure: false,
        load: Load { requests: 5120, requests_last_minute: 4, circuit_open: false, slowed: true },
        certificate_not_after: Some("2027-02-01T00:00:00Z".parse().unwrap()),
        refused_key: None,
        records: 1024,
        reconnections: 2,
        stream_items: 980,
        stream_missed_entries: 7,
        failures: [("timeout", 1)].into(),
        stream_errors: [("ended", 2), ("timeout", 1)].into(),
        gaps: [("cleared", 1), ("wrapped", 3)].into(),
        clock_offset: Some(TimeDelta::milliseconds(-3_600_250)),
        vendor: Some("Dell".into()),
        product: Some("Integrated \"Dell\" Remote Access Controller".into()),
        redfish_version: Some("1.17.0".into()),
    }
}

fn downgraded() -> EndpointView {
    EndpointView {
        endpoint: endpoint("r17-u13"),
        state: State::Polling,
        reason: Some("sse_not_available: the event stream answers 404".into()),
        insecure: true,
        certificate_not_after: None,
        stream_errors: [("not_available", 1)].into(),
        gaps: BTreeMap::new(),
        clock_offset: Some(TimeDelta::milliseconds(20)),
        ..streaming()
    }
}

fn never_seen() -> EndpointView {
    EndpointView {
        endpoint: endpoint("r17-u14"),
        state: State::AuthFailed,
        mode: Mode::Periodic,
        reason: Some("auth: the credentials were refused".into()),
        last_success_at: None,
        last_event_at: None,
        load: Load { circuit_open: true, ..Load::default() },
        records: 0,
        reconnections: 0,
        stream_items: 0,
        stream_missed_entries: 0,
        failures: [("auth", 2)].into(),
        stream_errors: BTreeMap::new(),
        gaps: BTreeMap::new(),
        clock_offset: None,
        vendor: None,
        product: None,
        redfish_version: None,
        ..streaming()
    }
}

fn sinks() -> [SinkView; 2] {
    let mut archive = SinkView::new("archive".to_owned(), "file");
    archive.position = 48_000;
    archive.lag = 211;
    archive.up = false;
    archive.last_success_at = Some("2026-11-20T14:01:00Z".parse().unwrap());
    archive.oldest_pending_at = Some("2026-11-20T14:01:02.5Z".parse().unwrap());
    archive.delivered = 47_000;
    archive.expired = 3;
    archive.rejected = 2;
    archive.filtered = 40;
    archive.attempts = Attempts { success: 900, retryable: 4, permanent: 0 };
    [archive, SinkView::new("stdout".to_owned(), "stdout")]
}

fn page() -> String {
    page_of([streaming(), downgraded(), never_seen()]).collect()
}

fn page_of(endpoints: impl IntoIterator<Item = EndpointView>) -> Exposition {
    let metrics = Metrics::new("bmcwatch").unwrap();
    metrics.config_loaded(0xfedc_ba98_7654_3210, "2026-11-20T14:00:00.25Z".parse().unwrap());
    let stat = Stat {
        head: 48_211,
        oldest: 101,
        records: 48_111,
        bytes: 50_000_000,
        file_bytes: 61_000_000,
        keys: 60_000,
        commits: 9_000,
        failed_commits: 1,
        committed_items: 52_000,
        last_commit: Duration::from_millis(4),
        total_commit: Duration::from_millis(36_500),
        readers: Vec::new(),
        pruned_delivered: 97,
        pruned_undelivered: 3,
        dead_letters: vec![("archive".to_owned(), 2)],
        displaced_letters: 1,
    };
    let snapshot = Snapshot {
        downgraded: &[("sse_not_available", 1)].into(),
        journal: Some(&stat),
        writable: Writable::Yes,
        sinks: &sinks(),
        log_messages: &[("error", 0), ("warn", 3), ("info", 40)],
    };
    let mut draft = metrics.begin(metrics.registered().unwrap());
    endpoints.into_iter().for_each(|endpoint| draft.add(&endpoint));
    draft.finish(&snapshot)
}

/// What depends on the machine and the build stays out of the golden file.
fn constant(page: &str) -> String {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let fixed = |line: &str| match line.strip_prefix("process_") {
        Some(rest) => format!("process_{} 0\n", rest.split(' ').next().unwrap()),
        None => {
            format!("{}\n", line.replace(&target, "TARGET").replace(env!("CARGO_PKG_VERSION"), "VERSION"))
        }
    };
    page.lines().map(fixed).collect()
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn the_page_is_the_golden_one() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.txt");
    let page = constant(&page());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &page).unwrap();
    }
    let expected = fs::read_to_string(&golden).unwrap();
    for (line, (have, want)) in page.lines().zip(expected.lines()).enumerate() {
        assert_eq!(have, want, "line {}", line + 1);
    }
    assert_eq!(page.lines().count(), expected.lines().count());
}

#[test]
fn every_family_is_named_once_and_has_help_and_type_before_its_samples() {
    check_families(&page());
}

fn check_families(page: &str) {
    let mut seen = BTreeSet::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            rest.split(' ').next().unwrap().clone_into(&mut current);
            assert!(seen.insert(current.clone()), "{current} comes twice");
            assert!(rest.len() > current.len() + 5, "{current} has no help");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest.split(' ').next().unwrap(), current);
        } else {
            assert_eq!(line.split(['{', ' ']).next().unwrap(), current);
        }
    }
}

#[test]
fn a_page_of_thousands_of_endpoints_comes_in_parts_that_make_one_page() {
    for fleet in [0_u32, 1, 370, 5_000] {
        let views = |number| EndpointView { endpoint: endpoint(&format!("bmc-{number}")), ..streaming() };
        let page = page_of((0..fleet).map(views));
        let told = hyper::body::Body::size_hint(&page).exact();
        let parts: Vec<String> = page.collect();
        assert_eq!(told, Some(parts.concat().len() as u64), "{fleet}");
        assert!(parts.iter().all(|part| part.len() < 68 << 10), "{fleet}: a part is too long");
        assert!(parts.len() >= fleet as usize / 100, "{fleet}: {} parts", parts.len());
        let page = parts.concat();
        check_families(&page);
        // What this endpoint has: 14 families with one sample, two reasons of stream errors, one of failures, two of gaps.
        let samples: Vec<&str> = page.lines().filter(|line| line.contains("{endpoint=\"bmc-")).collect();
        assert_eq!(samples.len(), fleet as usize * (14 + 2 + 1 + 2), "{fleet}");
        let different: BTreeSet<&&str> = samples.iter().collect();
        assert_eq!(different.len(), samples.len(), "{fleet}: something is said twice");
    }
}

/// The first column of the tables, without the prefix: a name per row.
fn documented(section: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(project("docs/METRICS.md")).unwrap();
    let rows =
        text.split("\n## ").find(|part| part.starts_with(section)).expect("the section exists").lines();
    rows.filter_map(|row| row.strip_prefix("| `"))
        .map(|row| row.split('`').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_family_of_the_page_is_documented_and_the_reverse() {
    let page = page();
    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: BTreeSet<String> = names
        .map(|line| line.split(' ').next().unwrap())
        .map(|name| name.strip_prefix("bmcwatch_").unwrap_or(name).to_owned())
        .collect();
    let sections = ["The program", "Endpoints", "Streams", "The journal", "Sinks", "The process"];
    let documented: BTreeSet<String> = sections.into_iter().flat_map(documented).collect();
    assert_eq!(names.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "not documented");
    assert_eq!(documented.difference(&names).collect::<Vec<_>>(), Vec::<&String>::new(), "not on the page");
}

/// A family with labels is not on a page before its first event, so the registry is asked whether it knows the name.
#[test]
fn every_documented_family_about_collecting_requests_and_deliveries_is_registered_and_the_reverse() {
    let metrics = Metrics::new("bmcwatch").unwrap();
    collect::Metrics::register(metrics.registry()).unwrap();
    redfish::Metrics::register(metrics.registry()).unwrap();
    sink::Metrics::register(metrics.registry()).unwrap();
    let documented: BTreeSet<String> =
        ["Collecting", "Requests to BMCs", "Deliveries"].into_iter().flat_map(documented).collect();
    for name in &documented {
        let twin = prometheus::IntGauge::new(name.as_str(), "Same name.").unwrap();
        let refused = metrics.registry().register(Box::new(twin)).is_err();
        assert!(refused, "{name} is documented and not registered");
    }
    let program = self::documented("The program");
    for family in metrics.registry().gather() {
        let name = family.name().strip_prefix("bmcwatch_").unwrap();
        assert!(documented.contains(name) || program.contains(name), "{name} is not documented");
    }
}

/// The registry does not tell the names of families without a sample; the files in which they stand do: a name, and
/// behind it a sentence of help.
#[test]
fn every_family_that_is_written_in_the_code_is_documented() {
    let text = fs::read_to_string(project("docs/METRICS.md")).unwrap();
    for file in [
        "collect/src/metrics.rs",
        "redfish/src/metrics.rs",
        "bmcwatch/src/metrics.rs",
        "bmcwatch/src/metrics/admin.rs",
    ] {
        let code = fs::read_to_string(project("crates").join(file)).unwrap();
        let pieces: Vec<&str> = code.split('"').collect();
        let mut found = 0;
        for window in pieces.windows(3).skip(1).step_by(2) {
            let [name, between, help] = window else { unreachable!("windows of three") };
            let is_name = name.contains('_')
                && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit());
            if is_name && between.trim() == "," && help.ends_with('.') {
                assert!(text.contains(&format!("| `{name}` |")), "{name} of {file} is not documented");
                found += 1;
            }
        }
        assert!(found > 2, "{file}: {found}");
    }
}
