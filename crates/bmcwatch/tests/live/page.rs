//! The status page in a real browser: it shows the fleet, finds, sorts, follows, obeys no text of a BMC, and gives the
//! browser nothing to complain about.

use std::{env, fs, path::Path, time::Duration};

use sim::{Profile, Reachability, Severity};

use crate::{
    browser::Browser,
    daemon::Daemon,
    home::Home,
    lab::{Lab, free_address, mixed},
};

/// Markup and scripts, as a BMC may write them.
const HOSTILE: [&str; 4] = [
    "<script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "\"><svg onload=document.title='taken'>",
    "\u{202e}turned\u{1b}[2J\u{9b}31m",
];

/// A fleet, its daemon and a browser that shows it.
struct Scene {
    lab: Lab,
    home: Home,
    daemon: Daemon,
    browser: Browser,
    address: String,
}

impl Scene {
    async fn begin(network: u8, profiles: Vec<Profile>, settings: &str) -> Self {
        let (states, count) = (["streaming", "polling"], profiles.len());
        let lab = Lab::start(network, profiles).await;
        let home = Home::new();
        let listen = free_address(network);
        home.write_config_at(&format!("{}{settings}", lab.endpoints()), &listen);
        let daemon = Daemon::start(&home).await;
        if settings.is_empty() {
            daemon.until_in_state(count, &states).await;
        }
        Self { lab, home, daemon, browser: Browser::start().await, address: format!("http://{listen}/") }
    }

    async fn end(mut self) {
        let complaints = self.browser.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
        self.browser.close().await;
        assert_eq!(self.daemon.sigterm().await.0.code(), Some(0));
        self.lab.fleet.stop().await;
        drop(self.home);
    }
}

/// How many rows of endpoints are in the document.
const ROWS: &str = "document.querySelectorAll('#fleet tbody tr:not(.spacer)').length";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_fleet_and_finds_and_sorts_it() {
    let profiles = vec![Profile::openbmc(), Profile::openbmc(), Profile::no_event_service()];
    let mut scene = Scene::begin(104, profiles, "").await;
    let browser = &mut scene.browser;
    browser.open(&scene.address).await;
    browser
        .until(&format!("{ROWS} === 3 && document.querySelector('#health').innerText.includes('live')"))
        .await;
    assert_eq!(browser.value("document.title").await, "Endpoints \u{2013} bmcwatch");
    let tile = |state: &str| format!("#tiles [data-state={state}] b");
    for (state, number) in [("all", "3"), ("streaming", "2"), ("polling", "1"), ("backoff", "0")] {
        assert_eq!(browser.text(&tile(state)).await, number, "{state}");
    }
    // Polling is worth more attention than streaming.
    let rows = browser.text("#fleet tbody").await;
    assert!(rows.trim().starts_with("bmc-002") && rows.contains("sse_not_available"), "{rows}");

    browser.click("#tiles [data-state=streaming]").await;
    browser.until(&format!("{ROWS} === 2")).await;
    assert_eq!(browser.text("#shown").await, "2 of 3");
    assert_eq!(
        browser.value("document.querySelector('#tiles [data-state=streaming]').ariaPressed").await,
        "true"
    );
    browser.click("#tiles [data-state=streaming]").await;
    browser.fill("#filter", "not_available POLL").await;
    browser.until(&format!("{ROWS} === 1")).await;
    browser.fill("#filter", "").await;
    browser.click("#fleet th.c-id button").await;
    browser.click("#fleet th.c-id button").await;
    assert_eq!(browser.value("document.querySelector('#fleet th.c-id').ariaSort").await, "descending");
    let ids = "[...document.querySelectorAll('#fleet td.c-id')].map((cell) => cell.innerText).join()";
    assert_eq!(browser.value(ids).await, "bmc-002,bmc-001,bmc-000");

    // What becomes of an endpoint is seen without a reload.
    scene.lab.bmcs()[1].set_reachability(Reachability::Refusing);
    browser.until("document.querySelector('#tiles [data-state=backoff] b').innerText === '1'").await;
    // Nothing of ours is complained about.
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bmc_writes_is_followed_and_is_never_more_than_text() {
    let mut scene = Scene::begin(105, vec![Profile::openbmc(), Profile::openbmc()], "").await;
    let browser = &mut scene.browser;
    browser.open(&scene.address).await;
    browser.until("document.querySelector('#health').innerText.includes('live')").await;
    for text in HOSTILE {
        scene.lab.bmcs()[0].log(Severity::Critical, "Test.1.0.<b>Bold</b>", &[], text);
    }
    scene.lab.bmcs()[1].log(Severity::Ok, "Test.1.0.Door", &[], "door closed");
    browser.until("document.querySelectorAll('#latest .record').length >= 5").await;
    let latest = browser.text("#latest").await;
    for text in &HOSTILE[..3] {
        assert!(latest.contains(text), "{text}: {latest}");
    }
    assert!(
        latest.contains("\\u{202e}turned\\u{1b}[2J\\u{9b}31m") && latest.contains("<b>Bold</b>"),
        "{latest}"
    );

    // The whole record, opened.
    browser.click("#latest .critical summary").await;
    browser.until("document.querySelector('#latest pre')?.innerText.includes('\"original\"')").await;

    browser.click("nav [data-view=records]").await;
    browser.until("document.querySelectorAll('#stream .record').length >= 5").await;
    browser.fill("#severity", "critical").await;
    browser.until("document.querySelectorAll('#stream .record').length === 4").await;
    browser.fill("#of-endpoint", "bmc-001").await;
    browser.until("document.querySelectorAll('#stream .record').length === 0").await;
    browser.fill("#of-endpoint", "bmc-*").await;
    browser.until("document.querySelectorAll('#stream .record').length === 4").await;
    // New ones are held back while reading, and none is lost.
    browser.click("#pause").await;
    scene.lab.bmcs()[1].log(Severity::Critical, "Test.1.0.Fan", &[], "fan broken");
    scene.lab.bmcs()[1].log(Severity::Ok, "Test.1.0.Fan", &[], "fan turns");
    browser.until("document.querySelector('#followed').innerText === '1 waiting'").await;
    assert_eq!(browser.value("document.querySelectorAll('#stream .record').length").await, 4);
    browser.click("#pause").await;
    browser.until("document.querySelector('#stream .record').innerText.includes('fan broken')").await;
    assert_eq!(browser.value("document.querySelectorAll('#stream .record').length").await, 5);

    // One endpoint with its records and errors.
    browser.click("#stream .record a").await;
    browser
        .until("document.querySelector('#endpoint-records .record')?.innerText.includes('fan turns')")
        .await;
    assert_eq!(browser.text("#endpoint-title").await, "bmc-001");
    let facts = browser.text("#facts").await;
    assert!(
        facts.contains("streaming, changed") && facts.contains("Last error") && facts.contains("verified"),
        "{facts}"
    );
    scene.lab.bmcs()[1].log(Severity::Warning, "Test.1.0.Fan", &[], "fan slow");
    browser.until("document.querySelector('#endpoint-records .record').innerText.includes('fan slow')").await;

    a_hidden_page_does_not_follow(&scene.daemon, browser, &scene.lab).await;

    browser.click("nav [data-view=sinks]").await;
    let sinks = "document.querySelector('#sink-table tbody').innerText";
    browser.until(&format!("{sinks}.startsWith('records') && {sinks}.includes('up')")).await;

    for element in
        ["script:not([src^='/page/'])", "img:not([src^='/page/'])", "svg", "li b", "[style]:not(.spacer)"]
    {
        let found = browser.value(&format!("document.querySelectorAll({element:?}).length")).await;
        assert_eq!(found, 0, "{element}");
    }
    assert!(browser.value("document.title").await != "taken");
    scene.end().await;
}

/// A page in a tab that nobody sees holds no connection; what it has missed it has when it is seen again.
async fn a_hidden_page_does_not_follow(daemon: &Daemon, browser: &mut Browser, lab: &Lab) {
    let seen = async |browser: &mut Browser, hidden: bool| {
        let hide =
            format!("Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }})");
        browser.value(&format!("{hide} && document.dispatchEvent(new Event('visibilitychange'))")).await;
        let followed = || async { (daemon.metric("bmcwatch_tail_clients", "").await < 0.5) == hidden };
        daemon
            .until(followed, || format!("a hidden page follows, or a seen one does not; hidden: {hidden}"))
            .await;
    };
    seen(browser, true).await;
    lab.bmcs()[1].log(Severity::Critical, "Test.1.0.Fan", &[], "fan unseen");
    let recorded =
        || async { daemon.ask("GET", "/api/v1/events?before=end&limit=1").await.1.contains("fan unseen") };
    daemon.until(recorded, || "it is not recorded".to_owned()).await;
    assert!(!browser.text("#endpoint-records").await.contains("fan unseen"));
    seen(browser, false).await;
    browser
        .until("document.querySelector('#endpoint-records .record').innerText.includes('fan unseen')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_behind_a_login_and_goes_on_when_the_daemon_comes_back() {
    let hash = bcrypt::hash("s3cret", 4).expect("a hash");
    let users = format!("[admin.basic_auth_users]\nada = \"{hash}\"\n");
    let mut scene = Scene::begin(106, vec![Profile::openbmc()], &users).await;
    let address = scene.address.replace("http://", "http://ada:s3cret@");
    let browser = &mut scene.browser;
    browser.open(&address).await;
    browser
        .until(&format!("{ROWS} === 1 && document.querySelector('#health').innerText.includes('live')"))
        .await;
    browser.until("document.querySelector('#fleet tbody').innerText.includes('streaming')").await;
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");

    assert_eq!(scene.daemon.sigterm().await.0.code(), Some(0));
    browser.until("document.querySelector('#health').innerText.includes('does not answer')").await;
    scene.lab.bmcs()[0].log(Severity::Critical, "Test.1.0.Fan", &[], "while nobody looked");
    scene.daemon = Daemon::start(&scene.home).await;
    browser.until("document.querySelector('#latest').innerText.includes('while nobody looked')").await;
    browser.until("document.querySelector('#health').innerText.includes('live')").await;
    // It complained of a daemon that was not there, as it should.
    assert!(!browser.complaints().is_empty());
    scene.end().await;
}

/// A fleet as an operator may find it one morning.
fn morning(scene: &mut Scene) {
    for bmc in &scene.lab.bmcs()[..2] {
        bmc.set_reachability(Reachability::Refusing);
    }
    scene.lab.bmcs()[7].set_password("changed");
    scene.lab.bmcs()[7].end_sessions();
    scene.lab.bmcs()[7].cut_streams();
    scene.lab.load(Duration::from_secs(8));
}

/// The pictures of the documents: `UPDATE_PICTURES=1` makes them anew; then look at them.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_drawn_in_light_in_dark_and_on_a_phone() {
    let mut scene = Scene::begin(107, mixed(40), "").await;
    morning(&mut scene);
    scene.browser.open(&scene.address).await;
    scene.browser.until("document.querySelector('#tiles [data-state=backoff] b').innerText === '2'").await;
    scene
        .browser
        .until("document.querySelector('#tiles [data-state=auth_failed] b').innerText === '1'")
        .await;
    scene.browser.until("document.querySelectorAll('#latest .record').length === 40").await;
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let update = env::var("UPDATE_PICTURES").is_ok();
    let told = scene.browser.value("document.querySelector('#latest .who a').hash").await;
    let told = told.as_str().expect("an address").to_owned();
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pictures");
    for (name, hash, (width, height), colours) in [
        ("status-light", "#/", (1280, 800), "light"),
        ("status-dark", "#/", (1280, 800), "dark"),
        ("status-phone", "#/", (390, 844), "light"),
        ("records-phone", "#/records", (390, 844), "dark"),
        ("endpoint", &told, (1280, 800), "light"),
        ("records", "#/records", (1280, 800), "light"),
        ("sinks", "#/sinks", (1280, 800), "dark"),
    ] {
        scene.browser.look(width, height, colours).await;
        scene.browser.value(&format!("location.hash = {hash:?}")).await;
        scene.browser.until("[...document.querySelectorAll('#stream, #latest, #endpoint-records, #sink-table')].some((list) => list.offsetParent && list.innerText.length > 20)").await;
        // No line is wider than a phone.
        let fits = scene.browser.value("document.documentElement.scrollWidth <= innerWidth").await;
        assert_eq!(fits, true, "{name} is wider than its window");
        let picture = scene.browser.picture().await;
        if update {
            fs::create_dir_all(&pictures).expect("the directory is ours");
            fs::write(pictures.join(format!("{name}.png")), picture).expect("the directory is ours");
        }
    }
    scene.end().await;
}
