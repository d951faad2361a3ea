//! `bmcwatch probe`: asks one BMC what it can do, one request at a time, with one login at most, and prints it.
//!
//! No password goes to a certificate that nothing vouches for. Here are the steps; what is printed stands in
//! `probe/report`. Not here: anything of the daemon; nothing is stored and nothing of the BMC is changed.

mod report;

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use model::Clock;
use redfish::{
    AuthMode, Client, ClientConfig, ConfigureError, Https, Login, Metrics, Network, OpenStreamError,
    ServiceRoot, Trust, TrustError,
};
use tokio::time::{Instant, timeout};

use crate::{
    cli::{self, EXIT_FAILURE},
    config::{Config, EXIT_CONFIG, Environment, secret_file},
    logging::Chain,
};
use report::{Log, Report, Stream};

/// How long the stream is listened to. BMCs that send keep-alives do so within half a minute; most say something at once.
const LISTEN: Duration = Duration::from_secs(5);

/// The whole command; answers the exit code.
pub(crate) fn run_main(asked: &cli::Probe, config: &Path) -> anyhow::Result<u8> {
    let environment = Environment::of_process();
    let login = match (&asked.user, &asked.password_file, &asked.credentials) {
        (Some(user), Some(file), _) => {
            let password = secret_file(&std::path::absolute(file)?).map_err(anyhow::Error::msg)?;
            Some(Login { username: user.clone(), password })
        }
        (_, _, Some(name)) => match Config::load(config, &environment) {
            Ok((config, _)) => {
                let known = config.credentials.into_iter().find(|known| known.name == *name);
                let known =
                    known.ok_or_else(|| anyhow::anyhow!("there are no credentials named {name:?}"))?;
                Some(known.login)
            }
            Err(problems) => {
                writeln!(io::stderr(), "{problems}")?;
                return Ok(EXIT_CONFIG);
            }
        },
        _ => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(probe(asked, login))?;
    let text = if asked.json { report.json()? } else { report.text() };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(if report.failed { EXIT_FAILURE } else { 0 })
}

/// The way to the BMC and what was found so far.
struct Probing {
    network: Arc<dyn Network>,
    metrics: Metrics,
    registry: prometheus::Registry,
    report: Report,
}

async fn probe(asked: &cli::Probe, login: Option<Login>) -> anyhow::Result<Report> {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry)?;
    let network = Arc::new(Https::new(1, 1));
    let mut probing = Probing { network, metrics, registry, report: Report::new(&asked.address) };
    if asked.address.scheme() == "http" || probing.look(asked).await {
        probing.ask(asked, login).await;
    }
    probing.report.measured(&probing.registry);
    Ok(probing.report)
}

impl Probing {
    /// The certificate, whoever shows it; whether there is anybody.
    async fn look(&mut self, asked: &cli::Probe) -> bool {
        let begun = Instant::now();
        match self.network.look(&asked.address).await {
            Ok(seen) => {
                self.report.seen(&seen, begun.elapsed());
                true
            }
            Err(error) => {
                self.report.failure("look at the certificate", &error);
                false
            }
        }
    }

    /// Everything behind the certificate.
    async fn ask(&mut self, asked: &cli::Probe, login: Option<Login>) {
        let trust = asked.trust.clone().unwrap_or(Trust::System);
        self.report.trust = trust.to_string();
        let client = match self.client(asked, trust, login.clone()) {
            Ok(client) => client,
            Err(ConfigureError::Trust(TrustError::NoSystemRoots)) if asked.trust.is_none() => {
                return self.unverified(asked, login.is_some()).await;
            }
            Err(error) => return self.report.failure("use this trust", &error),
        };
        let root = match client.root().await {
            Ok(root) => {
                self.report.verified = asked.trust != Some(Trust::Insecure);
                self.report.root(&root);
                root
            }
            Err(error) if asked.trust.is_none() && error.reason() == redfish::FailureReason::Tls => {
                return self.unverified(asked, login.is_some()).await;
            }
            Err(error) => return self.report.failure("read the service root", &error),
        };
        if login.is_none() {
            return;
        }
        self.logs(&client, &root).await;
        // After the logs: what they refused would be refused again.
        if !self.report.failed {
            self.stream(&client, &root).await;
        }
        client.log_out().await;
    }

    fn client(
        &self,
        asked: &cli::Probe,
        trust: Trust,
        login: Option<Login>,
    ) -> Result<Client, ConfigureError> {
        let config = ClientConfig {
            address: asked.address.clone(),
            trust,
            allowed_origins: Vec::new(),
            auth: if login.is_some() { AuthMode::Auto } else { AuthMode::None },
            login,
        };
        Client::new(config, Arc::clone(&self.network), self.metrics.clone(), Clock::system())
    }

    /// What can be learned without a login from somebody whom nothing vouches for.
    async fn unverified(&mut self, asked: &cli::Probe, wanted_login: bool) {
        "none".clone_into(&mut self.report.trust);
        match self.client(asked, Trust::Insecure, None) {
            Ok(client) => match client.root().await {
                Ok(root) => self.report.root(&root),
                Err(error) => self.report.failure("read the service root", &error),
            },
            Err(error) => self.report.failure("use no trust", &error),
        }
        if wanted_login {
            self.report.failed = true;
            self.report.problems.push(
                "no password was sent, because nothing vouches for the certificate: compare its pin with the BMC's own, \
                 then say --trust pin:sha256/..."
                    .to_owned(),
            );
        }
    }

    async fn logs(&mut self, client: &Client, root: &ServiceRoot) {
        let found = match client.log_services(root).await {
            Ok(found) => found,
            Err(error) => return self.report.failure("find the log services", &error),
        };
        self.report.login = Some(client.proving());
        self.report.problems.extend(found.problems.iter().map(|problem| Chain(problem).to_string()));
        for service in &found.found {
            let begun = Instant::now();
            let page = client.first_page(service).await;
            let took = begun.elapsed();
            match page {
                Ok(page) => self.report.logs.push(Log::of(service, &page, took)),
                Err(error) => {
                    self.report.problems.push(Chain(&error).to_string());
                    if matches!(
                        error.reason(),
                        redfish::FailureReason::Auth | redfish::FailureReason::Connect
                    ) {
                        return self.report.failed = true;
                    }
                }
            }
        }
        self.report.clock_offset_seconds =
            found.found.iter().find_map(|log| log.clock_offset).map(chrono::TimeDelta::as_seconds_f64);
    }

    async fn stream(&mut self, client: &Client, root: &ServiceRoot) {
        let why = |error: &OpenStreamError| Chain(error).to_string();
        let mut found = Stream::default();
        match client.find_stream(root).await {
            Ok(uri) => found.uri = Some(uri),
            Err(error) => found.why = Some(why(&error)),
        }
        if found.uri.is_some() {
            let begun = Instant::now();
            match client.open_stream(root, None).await {
                Ok(mut stream) => {
                    found.opened = true;
                    found.opened_ms = Some(report::milliseconds(begun.elapsed()));
                    // An end within this time is shown by the items that never came.
                    let heard = timeout(LISTEN, stream.next()).await;
                    found.first = Some(match heard {
                        Ok(Ok(_)) => "an event".to_owned(),
                        Ok(Err(error)) => format!("its end: {}", Chain(&error)),
                        Err(_) if stream.bytes() > 0 => "a keep-alive".to_owned(),
                        Err(_) => format!("nothing within {LISTEN:?}"),
                    });
                }
                Err(error) => found.why = Some(why(&error)),
            }
        }
        self.report.stream = Some(found);
    }
}
