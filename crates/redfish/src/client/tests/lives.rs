//! What one life of the program leaves to the next: sessions to delete, refusals to remember.

use futures_util::{FutureExt, future::BoxFuture};

use super::*;
use crate::Memory;

const PAGE: &str = r#"{"Members":[]}"#;
const ROOT: &str = r#"{"Links":{"Sessions":{"@odata.id":"/redfish/v1/Sessions"}}}"#;
const POST: &str = "POST /redfish/v1/Sessions";

/// A note in a shared place, and whether it takes another one.
#[derive(Clone)]
struct Note {
    since: Instant,
    text: Arc<Mutex<Option<Vec<u8>>>>,
    broken: Arc<Mutex<bool>>,
}

impl Default for Note {
    fn default() -> Self {
        Self { since: Instant::now(), text: Arc::default(), broken: Arc::default() }
    }
}

impl Note {
    fn text(&self) -> String {
        String::from_utf8(self.text.lock().unwrap().clone().unwrap_or_default()).unwrap()
    }
}

impl Memory for Note {
    fn load(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, BoxError>> {
        async { Ok(self.text.lock().unwrap().clone()) }.boxed()
    }

    fn keep(&self, note: Vec<u8>) -> BoxFuture<'_, Result<(), BoxError>> {
        async move {
            if *self.broken.lock().unwrap() {
                return Err("the disk is full".into());
            }
            *self.text.lock().unwrap() = Some(note);
            Ok(())
        }
        .boxed()
    }
}

/// A BMC that gives the sessions 1, 2, 3, ... and says of each that it is `user`'s.
fn giving_sessions(user: &'static str) -> Bmc {
    let given = Mutex::new(0);
    Bmc::new(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        (_, "/redfish/v1/") => json(ROOT),
        ("POST", _) => {
            let mut given = given.lock().unwrap();
            *given += 1;
            let location = format!("/redfish/v1/Sessions/{given}");
            let made = Response::builder().status(201).header("x-auth-token", format!("token{given}"));
            Reply::Http(made.header("location", location).body(empty()).unwrap())
        }
        ("DELETE", _) => status(204),
        ("GET", path) if path.starts_with("/redfish/v1/Sessions/") => {
            json(Box::leak(format!(r#"{{"UserName":"{user}"}}"#).into_boxed_str()))
        }
        _ => json(PAGE),
    })
}

async fn page(client: &Client) -> Result<(), RequestErrorKind> {
    client.first_page(&log("/log")).await.map(drop).map_err(|error| error.kind)
}

/// Another client of the same endpoint, whose clock goes with tokio's time.
fn next_life(bmc: &Bmc, note: &Note, auth: AuthMode) -> Client {
    let since = note.since;
    let mut client = bmc.client(auth).with_memory(Box::new(note.clone()));
    client.clock = Clock::from_fn(move || chrono::DateTime::UNIX_EPOCH + since.elapsed());
    client
}

#[tokio::test]
async fn a_session_that_a_killed_life_left_behind_is_deleted_with_the_new_ones_token() {
    let (bmc, note) = (giving_sessions("Monitor"), Note::default());
    page(&next_life(&bmc, &note, AuthMode::Auto)).await.unwrap();
    assert_eq!(note.text(), r#"{"sessions":["/redfish/v1/Sessions/1"],"tries":[]}"#);
    let second = next_life(&bmc, &note, AuthMode::Auto);
    page(&second).await.unwrap();
    assert_eq!(bmc.count("DELETE /redfish/v1/Sessions/1"), 1);
    let deleted = bmc.asked.lock().unwrap().iter().find(|asked| asked.method == "DELETE").cloned().unwrap();
    assert_eq!(deleted.header("x-auth-token"), Some("token2"));
    assert_eq!(note.text(), r#"{"sessions":["/redfish/v1/Sessions/2"],"tries":[]}"#);
    second.log_out().await;
    assert_eq!(note.text(), r#"{"sessions":[],"tries":[]}"#);
    assert_eq!(bmc.count("DELETE /redfish/v1/Sessions/2"), 1);
}

#[tokio::test]
async fn a_path_that_is_somebody_elses_session_by_now_is_left_alone() {
    let (bmc, note) = (giving_sessions("admin"), Note::default());
    page(&next_life(&bmc, &note, AuthMode::Auto)).await.unwrap();
    page(&next_life(&bmc, &note, AuthMode::Auto)).await.unwrap();
    assert_eq!(bmc.lines().iter().filter(|line| line.starts_with("DELETE")).count(), 0);
    assert_eq!(note.text(), r#"{"sessions":["/redfish/v1/Sessions/2"],"tries":[]}"#);
}

#[tokio::test]
async fn a_path_that_the_bmc_gave_again_is_our_own_new_session() {
    let (bmc, note) = (Bmc::serving([("/redfish/v1/", ROOT), ("/log", PAGE)]), Note::default());
    page(&next_life(&bmc, &note, AuthMode::Auto)).await.unwrap();
    page(&next_life(&bmc, &note, AuthMode::Auto)).await.unwrap();
    assert_eq!(bmc.lines().iter().filter(|line| line.contains("Sessions/7")).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_life_goes_on_with_the_refusals_of_the_one_before() {
    for auth in [AuthMode::Auto, AuthMode::Basic] {
        let bmc = Bmc::new(|asked| if asked.path == "/redfish/v1/" { json(ROOT) } else { status(401) });
        let note = Note::default();
        let mut refused = 0;
        for _ in 0..20 {
            let client = next_life(&bmc, &note, auth);
            refused += u32::from(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)));
        }
        assert_eq!(refused, 2, "{auth:?}");
        let tried = || bmc.count(POST) + bmc.count("GET /log");
        assert_eq!(tried(), 2, "{auth:?}");
        tokio::time::advance(Duration::from_hours(1)).await;
        for _ in 0..20 {
            drop(page(&next_life(&bmc, &note, auth)).await);
        }
        assert_eq!(tried(), 3, "{auth:?}");
        let mut client = next_life(&bmc, &note, auth);
        client.login.get_mut().unwrap().as_mut().unwrap().password = Secret::new("new".to_owned());
        assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)), "tried at once");
    }
}

#[tokio::test(start_paused = true)]
async fn lives_that_end_in_the_middle_of_a_login_have_counted_it() {
    let bmc = Bmc::new(|asked| if asked.path == "/redfish/v1/" { json(ROOT) } else { Reply::Hang });
    let note = Note::default();
    for _ in 0..20 {
        let client = next_life(&bmc, &note, AuthMode::Auto);
        let killed = tokio::time::timeout(Duration::from_secs(1), page(&client)).await;
        drop(killed);
    }
    assert_eq!(bmc.count(POST), 4);
}

#[tokio::test]
async fn what_is_kept_shows_neither_password_nor_token() {
    let (bmc, note) = (giving_sessions("monitor"), Note::default());
    page(&next_life(&bmc, &note, AuthMode::Auto)).await.unwrap();
    assert!(!note.text().contains("token1") && !note.text().contains("credentials"), "{}", note.text());
    let refusing = Bmc::new(|asked| if asked.path == "/redfish/v1/" { json(ROOT) } else { status(401) });
    drop(page(&next_life(&refusing, &note, AuthMode::Auto)).await);
    let kept: serde_json::Value = serde_json::from_str(&note.text()).unwrap();
    assert!(kept["credentials"].as_u64().unwrap() < 4096, "{kept}");
    assert_eq!(kept["tries"].as_array().unwrap().len(), 1);
    assert!(!note.text().contains("hunter2"));
}

#[tokio::test]
async fn a_login_that_cannot_be_noted_is_not_tried() {
    let (bmc, note) = (giving_sessions("monitor"), Note::default());
    *note.broken.lock().unwrap() = true;
    for auth in [AuthMode::Auto, AuthMode::Basic] {
        let error = page(&next_life(&bmc, &note, auth)).await.unwrap_err();
        assert!(matches!(error, RequestErrorKind::Memory(_)), "{error}");
    }
    assert_eq!((bmc.count(POST), bmc.count("GET /log")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_asks_without_pause_is_held_at_the_budget_of_a_minute() {
    let bmc = giving_sessions("monitor");
    let client = bmc.client(AuthMode::None);
    let begun = Instant::now();
    for _ in 0..=2 * crate::REQUESTS_PER_MINUTE_MAX {
        page(&client).await.unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_secs(118), "{:?}", begun.elapsed());
    let asked = client.requested().look(Instant::now());
    assert_eq!(asked.total, u64::from(2 * crate::REQUESTS_PER_MINUTE_MAX + 1));
    assert!(asked.last_minute <= crate::REQUESTS_PER_MINUTE_MAX);
}
