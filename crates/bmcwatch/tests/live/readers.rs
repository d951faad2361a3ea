//! Many who read: a page with thousands of endpoints, and a hundred clients that follow the records. What they cost the
//! daemon is told (`soak readers`); what they cost a BMC is nothing, and that is checked.

use std::{
    fmt::{self, Write as _},
    net::SocketAddr,
    time::Duration,
};

use serde_json::Value;
use sim::{Counts, Profile};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    browser::Browser,
    daemon::{Daemon, PATIENCE},
    home::Home,
    lab::{Lab, free_address},
};

/// How much of it.
pub(crate) struct Plan {
    /// The fleet is on 127.`network`.0.0.
    pub(crate) network: u8,
    /// BMCs that stream.
    pub(crate) bmcs: usize,
    /// Endpoints in all; the rest refuses connections.
    pub(crate) endpoints: usize,
    /// Who follows.
    pub(crate) clients: u64,
    /// Mean interval of the events of one BMC.
    pub(crate) event_every: Duration,
    /// How long without and with those who follow.
    pub(crate) length: Duration,
}

/// What came of it.
pub(crate) struct Report {
    endpoints: usize,
    rows: u64,
    opened: Duration,
    answer_bytes: usize,
    clients: u64,
    events: u64,
    received: u64,
    alone: f64,
    followed: f64,
    before: Vec<Counts>,
    after: Vec<Counts>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoints, rows, opened, answer_bytes, clients, events, received, alone, followed, ..
        } = self;
        writeln!(
            f,
            "page with {endpoints} endpoints: {rows} rows drawn {} ms after the request for the page ({} kB of states)",
            opened.as_millis(),
            answer_bytes / 1000
        )?;
        writeln!(f, "{clients} clients followed {events} records, and got {received}")?;
        writeln!(f, "CPU of the daemon: {alone:.1} % of a core without them, {followed:.1} % with them")?;
        let sum = |counts: &[Counts], of: fn(&Counts) -> u64| counts.iter().map(of).sum::<u64>();
        let told = |counts: &[Counts]| {
            let (streams, logins) = (sum(counts, |one| one.streams_opened), sum(counts, |one| one.logins_ok));
            format!("{streams} streams, {logins} logins, {} requests", sum(counts, Counts::requests_total))
        };
        write!(f, "BMCs had seen before them: {}; after them: {}", told(&self.before), told(&self.after))
    }
}

impl Report {
    /// Every client got every record once, and no BMC has noticed any of them.
    pub(crate) fn assert_kept(&self) {
        assert_eq!(self.received, self.events * self.clients, "{self}");
        for (before, after) in self.before.iter().zip(&self.after) {
            assert_eq!(before.streams_opened, after.streams_opened, "{self}");
            assert_eq!(before.streams_open, after.streams_open, "{self}");
            assert_eq!(before.logins_ok, after.logins_ok, "{self}");
            assert_eq!(before.requests_total(), after.requests_total(), "{self}");
        }
    }
}

/// Everything.
pub(crate) async fn run(plan: &Plan) -> Report {
    let mut lab = Lab::start(plan.network, vec![Profile::openbmc(); plan.bmcs]).await;
    let home = Home::new();
    let listen = free_address(plan.network);
    home.write_config_at(&lab.endpoints(), &listen);
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(plan.bmcs, &["streaming"]).await;
    let admin: SocketAddr = listen.parse().expect("an address");

    lab.load(plan.event_every);
    // The first readings of the logs are over when a while has passed without a request.
    quiet(&lab).await;
    let alone = cpu(&daemon, plan.length).await;
    let before: Vec<Counts> = lab.bmcs().iter().map(|bmc| bmc.counts()).collect();
    let (begin, goal) = (head(&daemon).await, watch::Sender::new(None));
    let mut clients: JoinSet<u64> =
        (0..plan.clients).map(|_| follow(admin, begin, goal.subscribe())).collect();
    let followed = cpu(&daemon, plan.length).await;
    let after: Vec<Counts> = lab.bmcs().iter().map(|bmc| bmc.counts()).collect();
    lab.quiet().await;
    sleep(Duration::from_secs(1)).await;
    let end = head(&daemon).await;
    goal.send_replace(Some(end));
    let mut received = 0;
    while let Some(got) = clients.join_next().await {
        received += got.expect("it follows");
    }
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let (rows, opened, answer_bytes) = open_page(&home, &lab, plan, &listen).await;
    lab.fleet.stop().await;
    let (clients, events, endpoints) = (plan.clients, end - begin, plan.endpoints);
    Report {
        endpoints,
        rows,
        opened,
        answer_bytes,
        clients,
        events,
        received,
        alone,
        followed,
        before,
        after,
    }
}

/// The page with all endpoints: how many rows were drawn, how soon, and how much was asked for.
async fn open_page(home: &Home, lab: &Lab, plan: &Plan, listen: &str) -> (u64, Duration, usize) {
    let mut config = lab.endpoints();
    for number in 0..plan.endpoints - plan.bmcs {
        let (network, rack, unit) = (plan.network, number / 200, number % 200 + 1);
        let labels = format!("{{ rack = \"r{rack:02}\", site = \"fra1\" }}");
        write!(
            config,
            "[[endpoints]]\nid = \"r{rack:02}-u{unit:03}\"\naddress = \"https://127.{network}.{}.{unit}:1\"\n\
             auth = \"none\"\nlabels = {labels}\n",
            100 + rack
        )
        .expect("a String takes every write");
    }
    home.write_config_at(&config, listen);
    let daemon = Daemon::start(home).await;
    // How far the daemon is with them is of no matter to the page.
    daemon.until_in_state(plan.endpoints - plan.bmcs, &["connecting", "backoff"]).await;
    let (_, states) = daemon.ask("GET", "/api/v1/endpoints?limit=10000").await;
    let mut browser = Browser::start().await;
    browser.open(&format!("http://{listen}/")).await;
    let all = plan.endpoints;
    let drawn = format!(
        "new Promise((told) => {{ const look = () => \
         Number(document.querySelector('#tiles b')?.innerText.replace(/\\D/g, '')) === {all} \
         && document.querySelectorAll('#fleet tbody tr').length > 10 \
         ? told(performance.now()) : setTimeout(look, 5); look(); }})"
    );
    let millis = browser.value(&drawn).await.as_f64().expect("a number");
    let rows = "document.querySelectorAll('#fleet tbody tr:not(.spacer)').length";
    let drawn = browser.value(rows).await.as_u64().expect("a number");
    // However many there are, few are in the document; the last one is found by scrolling.
    assert!(drawn < 100, "{drawn}");
    browser.click("#fleet th.c-id button").await;
    browser
        .value("{ const all = document.querySelector('#scroller'); all.scrollTop = all.scrollHeight; }")
        .await;
    let last = (plan.endpoints - plan.bmcs - 1) / 200;
    browser
        .until(&format!("document.querySelector('#fleet tbody').innerText.includes('r{last:02}-u')"))
        .await;
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    browser.close().await;
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    (drawn, Duration::from_secs_f64(millis / 1000.0), states.len())
}

/// Follows from a position until every record up to the goal has come, once it is known; says how many came. A
/// connection that is ended is made again, as a browser does: of a hundred that come at once, some are sent away.
async fn follow(admin: SocketAddr, begin: u64, goal: watch::Receiver<Option<u64>>) -> u64 {
    let mut follower = Follower { last: begin, got: 0, goal };
    while !follower.connection(admin).await {
        sleep(Duration::from_millis(100)).await;
    }
    follower.got
}

struct Follower {
    last: u64,
    got: u64,
    goal: watch::Receiver<Option<u64>>,
}

impl Follower {
    /// Follows on one connection; whether everything has come, or else the connection was ended.
    async fn connection(&mut self, admin: SocketAddr) -> bool {
        let mut stream = TcpStream::connect(admin).await.expect("the admin listener listens");
        let last = self.last;
        let request =
            format!("GET /api/v1/tail HTTP/1.1\r\nhost: localhost\r\nlast-event-id: {last}\r\n\r\n");
        // One that is sent away at once may not even be able to ask.
        drop(stream.write_all(request.as_bytes()).await);
        let mut rest = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let end = *self.goal.borrow_and_update();
            if end.is_some_and(|end| self.last >= end) {
                return true;
            }
            let read = tokio::select! {
                _ = self.goal.changed() => continue,
                read = timeout(PATIENCE, stream.read(&mut buffer)) => read,
            };
            let read = read.unwrap_or_else(|_| panic!("nothing more came after {}", self.last));
            let Some(read) = read.ok().filter(|read| *read > 0) else { return false };
            rest.extend_from_slice(&buffer[..read]);
            let whole = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
            rest.drain(..whole).as_slice().split(|byte| *byte == b'\n').for_each(|line| self.line(line));
        }
    }

    fn line(&mut self, line: &[u8]) {
        match line.strip_prefix(b"id: ") {
            Some(id) => self.last = std::str::from_utf8(id).expect("digits").parse().expect("a position"),
            None => self.got += u64::from(line.starts_with(b"data: {\"schema\"")),
        }
    }
}

async fn head(daemon: &Daemon) -> u64 {
    let (status, answer) = daemon.ask("GET", "/api/v1/events?limit=1").await;
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["head"].as_u64().expect("a position")
}

/// Waits until no BMC has been asked for anything for a second.
async fn quiet(lab: &Lab) {
    let requests = || lab.bmcs().iter().map(|bmc| bmc.counts().requests_total()).sum::<u64>();
    let begun = Instant::now();
    let mut before = requests();
    loop {
        sleep(Duration::from_secs(1)).await;
        let now = requests();
        if now == before {
            return;
        }
        before = now;
        assert!(begun.elapsed() < PATIENCE, "the fleet is asked without end");
    }
}

/// The share of a core, in per cent, that the daemon takes for so long.
async fn cpu(daemon: &Daemon, length: Duration) -> f64 {
    let (begun, before) = (Instant::now(), cpu_time(daemon.id()));
    sleep(length).await;
    cpu_time(daemon.id()).saturating_sub(before).div_duration_f64(begun.elapsed()) * 100.0
}

/// User and system time of a process, in steps of 10 ms.
pub(crate) fn cpu_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    // The name in brackets may hold blanks; utime and stime are the 14th and 15th word of the line.
    let after_name = stat.rsplit_once(')').expect("a name").1;
    let words = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = words.map(|word| word.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread")]
async fn many_who_read_get_everything_once_and_cost_a_bmc_nothing() {
    let plan = Plan {
        network: 108,
        bmcs: 5,
        endpoints: 1500,
        clients: 100,
        event_every: Duration::from_millis(100),
        length: Duration::from_secs(2),
    };
    run(&plan).await.assert_kept();
}
