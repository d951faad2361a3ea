//! What 10,000 targets cost on the way from a file to running collectors, each step by itself, on one thread: so what is
//! timed is CPU. The budget is a second for all of them together.
//!
//! Not here: what the collectors cost then (`fleet`).

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bmcwatch::config::{Config, EndpointConfig, Environment};
use collect::{
    Board, Dependencies, Desired, Discovery, FilePattern, FileSource, Looking, Moment, Occasion, TargetList,
    judge,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use journal::{Journal, Location, Retention};
use model::Clock;
use prometheus::Registry;
use redfish::{Address, HttpService, Looking as LookingAt, Network, Trust, TrustError};
use tokio::{runtime::Builder, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tower::service_fn;

const TARGETS: u64 = 10_000;

const CONFIG: &str = "
    [[discovery.file_sd]]
    files = [\"/nowhere\"]
    [credentials.dell]
    username = \"monitor\"
    password_env = \"PASSWORD\"
    match.labels = { vendor = \"dell\" }
    [credentials.range]
    username = \"monitor\"
    password_env = \"PASSWORD\"
    match.addresses = [\"10.0.0.0/8\"]";

/// A list with a group for each target, as inventories write them.
fn list() -> String {
    let mut text = String::from("[");
    for n in 0..TARGETS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            text,
            "{comma}{{\"targets\":[\"10.{}.{}.{}\"],\"labels\":{{\"__bmc_id\":\"r{}-u{}\",\"__bmc_tls\":\"tofu\",\
             \"vendor\":\"dell\",\"rack\":\"r{}\",\"site\":\"fra1\",\"model\":\"R760\"}}}}",
            n / 65536, n / 256 % 256, n % 256, n / 40, n % 40, n / 40,
        )
        .expect("a String takes every write");
    }
    text.push(']');
    text
}

/// Nobody ever answers.
struct Silence;

impl Network for Silence {
    fn requests(&self, _: &Address, _: &Trust) -> Result<HttpService, TrustError> {
        Ok(HttpService::new(service_fn(|_| std::future::pending())))
    }
    fn streams(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        self.requests(address, trust)
    }
    fn look(&self, _: &Address) -> LookingAt {
        Box::pin(std::future::pending())
    }
}

fn reading(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let path = directory.path().join("bmcs.json");
    fs::write(&path, list()).expect("the directory is ours");
    let pattern = FilePattern::of(path.to_str().expect("it is text")).expect("it names a file");
    let mut source = FileSource::new(vec![pattern], &TargetList::default());
    let list = source.look(Looking::Whole).list;
    let variables = BTreeMap::from([("PASSWORD".to_owned(), "s3cret".to_owned())]);
    let config =
        Config::parse(Path::new("bench"), CONFIG, &Environment::of(variables)).expect("it is valid").0;
    let endpoints = config.resolve(&list).endpoints;
    assert_eq!(endpoints.len() as u64, TARGETS);

    let mut group = criterion.benchmark_group("sources_10000");
    group.throughput(Throughput::Elements(TARGETS));
    group.bench_function("look_at_a_file_that_is_the_same", |bencher| {
        bencher.iter(|| black_box(source.look(Looking::Quick)));
    });
    group.bench_function("read_a_file", |bencher| bencher.iter(|| black_box(source.look(Looking::Whole))));
    group.bench_function("make_endpoints_of_targets", |bencher| {
        bencher.iter(|| black_box(config.resolve(&list)));
    });
    let moment = Moment {
        occasion: Occasion::Regular,
        now: tokio::time::Instant::now(),
        interval: Duration::from_mins(5),
    };
    group.bench_function("judge_a_refresh", |bencher| {
        let ids = |all: &[EndpointConfig]| all.iter().map(|one| one.endpoint.id.clone()).collect::<Vec<_>>();
        let (old, new) = (ids(&endpoints), ids(&endpoints[1..]));
        bencher.iter(|| black_box(judge(&old.iter().collect(), &new.iter().collect(), None, moment)));
    });
    group.bench_function("make_one_fleet", |bencher| {
        bencher.iter(|| black_box(config.desired_of(&config.fleet(&[("file_sd/0", &endpoints)]))));
    });
    let desired = Arc::new(config.desired_of(&config.fleet(&[("file_sd/0", &endpoints)])));
    group.sample_size(10);
    group.bench_function("plan_and_start_collectors", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| first_pass(&desired)).sum());
    });
    group.finish();
}

/// The time of the first pass: a slot, a client and a task for each endpoint.
fn first_pass(desired: &Arc<Desired>) -> Duration {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let clock = Clock::system();
        let retention = Retention { max_age: Duration::from_hours(1), max_size: 1 << 30 };
        let opened = Journal::open(Location::Memory, retention, Arc::new(|| 0)).await;
        let (journal, _writer) = opened.expect("memory can be had");
        let registry = Registry::new();
        let dependencies = Dependencies {
            network: Arc::new(Silence),
            journal,
            clock,
            seed: 1,
            board: Board::default(),
            metrics: collect::Metrics::register(&registry).expect("nobody else is registered"),
            redfish_metrics: redfish::Metrics::register(&registry).expect("nobody else is registered"),
        };
        let (_wish, wishes) = watch::channel(collect::Reload { desired: Arc::clone(desired), revision: 0 });
        let discovery = Discovery::new(wishes, dependencies);
        let mut passed = discovery.passed();
        let mut tasks = JoinSet::new();
        let begun = Instant::now();
        tasks.spawn(discovery.run(CancellationToken::new()));
        passed.wait_for(|passed| *passed).await.expect("it runs");
        begun.elapsed()
    })
}

criterion_group!(benches, reading);
criterion_main!(benches);
