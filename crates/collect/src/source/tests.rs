//! When a source says what, in virtual time.

use std::{fs, path::PathBuf};

use prometheus::Registry;

use super::*;

const INTERVAL: Duration = Duration::from_mins(5);

/// Two files, the sources that read them, and what these say.
struct Stage {
    directory: tempfile::TempDir,
    wanted: watch::Sender<Wanted>,
    refreshes: mpsc::Receiver<Refresh>,
    registry: Registry,
    stop: CancellationToken,
    task: JoinSet<()>,
    begun: Instant,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (wanted, specs) = watch::channel((Arc::from([]), 0));
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let (sources, refreshes) = Sources::new(specs, metrics, Clock::system());
        let (stop, mut task) = (CancellationToken::new(), JoinSet::new());
        task.spawn(sources.run(stop.clone()));
        Self { directory, wanted, refreshes, registry, stop, task, begun: Instant::now() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, targets: &str) {
        let targets: Vec<String> = targets.split_whitespace().map(|one| format!("{one:?}")).collect();
        fs::write(self.path(name), format!("[{{\"targets\": [{}]}}]", targets.join(","))).unwrap();
    }

    /// A reload with these files, each with settings: `a=1`.
    fn reload(&mut self, sources: &[&str]) {
        let spec = |(number, source): (usize, &&str)| {
            let (file, settings) = source.split_once('=').unwrap();
            SourceSpec {
                name: format!("file_sd/{number}").into(),
                identity: file.to_owned(),
                settings: format!("{file} {settings}"),
                place: Place::Files {
                    files: vec![FilePattern::of(self.path(file).to_str().unwrap()).unwrap()],
                    refresh_interval: INTERVAL,
                },
                last: TargetList::default(),
            }
        };
        let specs: Arc<[SourceSpec]> = sources.iter().enumerate().map(spec).collect();
        self.wanted.send_modify(|wanted| *wanted = (specs, wanted.1 + 1));
        self.begun = Instant::now();
    }

    /// What the next sources say, of which occasion, and how many seconds after the last call; in the order of their names.
    async fn check(&mut self, expected: &[&str]) {
        let mut said = Vec::new();
        for _ in expected {
            let Refresh { identity, list, moment, .. } = self.refreshes.recv().await.unwrap();
            let (targets, seconds) = (list.targets(), self.begun.elapsed().as_secs());
            said.push(format!("{identity} has {targets} by {:?} after {seconds}", moment.occasion));
        }
        said.sort();
        assert_eq!(said, expected);
        self.begun = Instant::now();
    }

    fn series(&self) -> usize {
        let families = self.registry.gather();
        families
            .iter()
            .filter(|one| one.name().starts_with("discovery_"))
            .map(|one| one.get_metric().len())
            .sum()
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_is_said_at_once_and_everything_now_and_then_and_when_the_operator_asks() {
    let mut stage = Stage::new();
    stage.write("a", "1 2");
    stage.reload(&["a=x"]);
    stage.check(&["a has 2 by Regular after 0"]).await;
    stage.write("a", "1 2 3");
    stage.check(&["a has 3 by Change after 2"]).await;
    stage.check(&["a has 3 by Regular after 298"]).await;
    stage.check(&["a has 3 by Regular after 300"]).await;
    stage.reload(&["a=x"]);
    stage.check(&["a has 3 by Asked after 0"]).await;
    stage.check(&["a has 3 by Regular after 300"]).await;
    // Broken: nothing but what it had.
    fs::write(stage.path("a"), "[").unwrap();
    stage.check(&["a has 3 by Regular after 300"]).await;
    stage.stop.cancel();
    stage.task.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_not_wanted_any_more_is_silent_and_one_with_other_settings_begins_anew() {
    let mut stage = Stage::new();
    stage.write("a", "1");
    stage.write("b", "1 2");
    stage.reload(&["a=x", "b=x"]);
    stage.check(&["a has 1 by Regular after 0", "b has 2 by Regular after 0"]).await;
    let series = stage.series();
    stage.reload(&["a=y"]);
    stage.check(&["a has 1 by Regular after 0"]).await;
    stage.check(&["a has 1 by Regular after 300"]).await;
    assert!(stage.series() < series, "{} series of {series} are left", stage.series());
    stage.reload(&[]);
    assert!(tokio::time::timeout(2 * INTERVAL, stage.refreshes.recv()).await.is_err());
    assert_eq!(stage.series(), 0);
}
