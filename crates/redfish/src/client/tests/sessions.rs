//! Logging in: one session, renewed once; never more tries than an account bears; Basic where there are no sessions.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const POST: &str = "POST /redfish/v1/Sessions";
const ROOT: &str = r#"{"Links":{"Sessions":{"@odata.id":"/redfish/v1/Sessions"}}}"#;
const PAGE: &str = r#"{"Members":[]}"#;

type Answering = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// A BMC whose session POST is answered by `login` and whose log by `page`.
fn bmc(
    login: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    page: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Bmc {
    Bmc::new(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        (_, "/redfish/v1/") => json(ROOT),
        ("POST", _) => login(asked),
        ("DELETE", _) => status(204),
        _ => page(asked),
    })
}

async fn page(client: &Client) -> Result<(), RequestErrorKind> {
    client.first_page(&log("/log")).await.map(drop).map_err(|error| error.kind)
}

#[tokio::test]
async fn one_session_serves_all_requests_and_is_deleted_at_the_end() {
    let bmc = bmc(|_| session("t1"), |_| json(PAGE));
    let client = bmc.client(AuthMode::Auto);
    for _ in 0..3 {
        page(&client).await.unwrap();
    }
    assert_eq!(bmc.last().header("x-auth-token"), Some("t1"));
    client.log_out().await;
    assert_eq!(bmc.last().line(), "DELETE /redfish/v1/SessionService/Sessions/7");
    client.log_out().await;
    assert_eq!((bmc.count(POST), bmc.lines().len()), (1, 6));
    let asked = bmc.asked.lock().unwrap()[1].clone();
    assert_eq!(asked.body, r#"{"Password":"hunter2","UserName":"monitor"}"#);
    assert_eq!(asked.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_token_that_expired_is_renewed_once_and_the_request_repeated() {
    let logins = AtomicU32::new(0);
    let bmc =
        bmc(move |_| session(if logins.fetch_add(1, Ordering::Relaxed) == 0 { "old" } else { "new" }), {
            let asked_with_old = AtomicU32::new(0);
            move |asked| match asked.header("x-auth-token") {
                Some("old") if asked_with_old.fetch_add(1, Ordering::Relaxed) > 0 => status(401),
                _ => json(PAGE),
            }
        });
    let client = bmc.client(AuthMode::Session);
    page(&client).await.unwrap();
    page(&client).await.unwrap();
    assert_eq!(bmc.count(POST), 2);
    assert_eq!(bmc.count("GET /log"), 3);
}

#[tokio::test(start_paused = true)]
async fn two_refusals_stop_all_logins_for_an_hour_or_until_asked() {
    let bmc = bmc(|_| status(401), |_| json(PAGE));
    let client = bmc.client(AuthMode::Auto);
    for _ in 0..2 {
        assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)));
    }
    let before = bmc.lines().len();
    for _ in 0..5 {
        assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginPaused(_))));
    }
    assert_eq!(bmc.lines().len(), before);
    client.retry_login();
    assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)));
    assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginPaused(_))));
    assert_eq!(bmc.count(POST), 3);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)));
    assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginPaused(_))));
    assert_eq!(bmc.count(POST), 4);
}

fn login(password: &str) -> Login {
    Login { username: "monitor".to_owned(), password: Secret::new(password.to_owned()) }
}

#[tokio::test(start_paused = true)]
async fn another_password_ends_the_pause_and_is_used_by_the_next_login_and_not_before() {
    let bmc =
        bmc(|asked| if asked.body.contains("rotated") { session("t") } else { status(401) }, |_| json(PAGE));
    let client = bmc.client(AuthMode::Auto);
    for _ in 0..2 {
        page(&client).await.unwrap_err();
    }
    assert_eq!(client.login_pause(), Some(Duration::from_hours(1)));
    client.set_login(Some(login("rotated")));
    assert_eq!(client.login_pause(), None);
    page(&client).await.unwrap();
    assert_eq!(bmc.count(POST), 3);
    // A session that is held stays.
    client.set_login(Some(login("rotated again")));
    page(&client).await.unwrap();
    assert_eq!((bmc.count(POST), bmc.count("DELETE /redfish/v1/SessionService/Sessions/7")), (3, 0));
    assert!(!format!("{client:?}").contains("rotated"), "{client:?}");

    let client = bmc.client(AuthMode::Basic);
    client.set_login(Some(login("rotated")));
    page(&client).await.unwrap();
    assert_eq!(bmc.last().header("authorization"), Some("Basic bW9uaXRvcjpyb3RhdGVk"));
}

#[test]
fn only_another_password_of_the_same_user_on_the_same_machine_needs_no_new_client() {
    let config = |address: &str, login: Option<Login>| ClientConfig {
        address: address.parse().unwrap(),
        trust: Trust::System,
        allowed_origins: Vec::new(),
        auth: AuthMode::Auto,
        login,
    };
    let running = config("https://bmc", Some(login("old")));
    let other_user = Some(Login { username: "root".to_owned(), password: Secret::new("new".to_owned()) });
    for (other, expected) in [
        (config("https://bmc", Some(login("new"))), true),
        (config("https://bmc", Some(login("old"))), false),
        (config("https://bmc", other_user), false),
        (config("https://bmc", None), false),
        (config("https://other", Some(login("new"))), false),
        (ClientConfig { trust: Trust::Insecure, ..config("https://bmc", Some(login("new"))) }, false),
        (ClientConfig { auth: AuthMode::Basic, ..config("https://bmc", Some(login("new"))) }, false),
    ] {
        assert_eq!(running.differs_by_password(&other), expected, "{other:?}");
    }
}

#[tokio::test]
async fn basic_is_refused_twice_and_then_not_sent() {
    let bmc = bmc(|_| status(500), |_| status(401));
    let client = bmc.client(AuthMode::Basic);
    for _ in 0..2 {
        assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)));
    }
    assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginPaused(_))));
    assert_eq!(bmc.count("GET /log"), 2);
    assert_eq!(bmc.last().header("authorization"), Some("Basic bW9uaXRvcjpodW50ZXIy"));
}

#[tokio::test]
async fn a_login_that_the_network_lost_is_no_refusal() {
    let bmc = bmc(|_| Reply::Broken, |_| json(PAGE));
    let client = bmc.client(AuthMode::Auto);
    for _ in 0..4 {
        assert!(matches!(page(&client).await, Err(RequestErrorKind::Transport(_))));
    }
    assert_eq!(bmc.count(POST), 4);
}

#[tokio::test]
async fn tokens_that_never_work_are_a_refusal_too() {
    let bmc = bmc(|_| session("worthless"), |_| status(401));
    let client = bmc.client(AuthMode::Auto);
    for _ in 0..2 {
        assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginRefused)));
    }
    assert!(matches!(page(&client).await, Err(RequestErrorKind::LoginPaused(_))));
    assert_eq!(bmc.count(POST), 3);
}

fn answer(status: u16, body: &str) -> Reply {
    let Reply::Http(mut response) = json(body) else { unreachable!() };
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    Reply::Http(response)
}

#[tokio::test]
async fn auto_falls_to_basic_where_no_session_is_to_be_had() {
    let full = r#"{"error":{"@Message.ExtendedInfo":[{"MessageId":"IDRAC.2.8.RAC0218","Message":"The maximum number of user sessions is reached."}]}}"#;
    let exhausted = |status| move |_: &Asked| answer(status, full);
    let cases: [(&str, Answering); 7] = [
        ("404", Box::new(|_| status(404))),
        ("405", Box::new(|_| status(405))),
        ("501", Box::new(|_| status(501))),
        ("no token", Box::new(|_| json("{}"))),
        ("RAC0218", Box::new(exhausted(503))),
        ("RAC0218 as 403", Box::new(exhausted(403))),
        ("RAC0218 as 500", Box::new(exhausted(500))),
    ];
    for (name, login) in cases {
        let bmc = bmc(
            login,
            |asked| if asked.header("authorization").is_some() { json(PAGE) } else { status(401) },
        );
        let client = bmc.client(AuthMode::Auto);
        page(&client).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        page(&client).await.unwrap();
        assert_eq!(bmc.count(POST), 1, "{name}");
    }
}

#[tokio::test]
async fn mode_session_never_sends_basic_and_trouble_is_no_reason_for_it() {
    for (mode, answer) in [(AuthMode::Session, 404), (AuthMode::Session, 405), (AuthMode::Auto, 503)] {
        let bmc = bmc(move |_| status(answer), |_| json(PAGE));
        let error = page(&bmc.client(mode)).await.unwrap_err();
        assert!(matches!(error, RequestErrorKind::Status { status, .. } if status == answer));
        assert_eq!(bmc.count("GET /log"), 0);
    }
}

#[tokio::test]
async fn a_root_that_wants_credentials_gets_them() {
    let bmc = Bmc::new(|asked| match (asked.method.as_str(), asked.header("x-auth-token")) {
        ("POST", _) => session("t"),
        (_, Some("t")) => json(r#"{"UUID":"u"}"#),
        _ => status(401),
    });
    assert_eq!(bmc.client(AuthMode::Auto).root().await.unwrap().uuid.as_deref(), Some("u"));
    assert_eq!(bmc.count("POST /redfish/v1/SessionService/Sessions"), 1);
    let error = bmc.client(AuthMode::None).root().await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Status { status: 401, .. }));
}

#[tokio::test]
async fn what_the_bmc_says_about_waiting_is_heard() {
    let bmc = bmc(
        |_| session("t"),
        |_| Reply::Http(Response::builder().status(503).header("retry-after", "120").body(empty()).unwrap()),
    );
    let error = bmc.client(AuthMode::Auto).first_page(&log("/log")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_mins(2)));
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_hangs_ends_after_its_deadline() {
    let bmc = Bmc::new(|asked| match asked.method.as_str() {
        "POST" => session("t"),
        "DELETE" => Reply::Hang,
        _ => json(PAGE),
    });
    let client = bmc.client(AuthMode::Auto);
    page(&client).await.unwrap();
    let begun = Instant::now();
    client.log_out().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_bmc_without_a_free_session_is_asked_for_one_every_five_minutes_where_basic_is_not_wanted() {
    let full = r#"{"error":{"message":"The maximum number of user sessions is reached."}}"#;
    let bmc = bmc(move |_| answer(503, full), |_| json(PAGE));
    let client = bmc.client(AuthMode::Session);
    for _ in 0..=60 {
        client.retry_login();
        let error = page(&client).await.unwrap_err();
        assert!(
            matches!(error, RequestErrorKind::Status { status: 503, retry_after: Some(_), .. }),
            "{error}"
        );
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert_eq!(bmc.count(POST), 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_bmc_says_about_waiting_with_logins_is_obeyed_whoever_asks() {
    for status in [429, 503] {
        let busy = move |_: &Asked| {
            let busy = Response::builder().status(status).header("retry-after", "120");
            Reply::Http(busy.body(empty()).unwrap())
        };
        let bmc = bmc(busy, |_| json(PAGE));
        let client = bmc.client(AuthMode::Auto);
        assert!(page(&client).await.is_err());
        tokio::time::advance(Duration::from_secs(119)).await;
        client.retry_login();
        let error = client.first_page(&log("/log")).await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(bmc.count(POST), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(page(&client).await.is_err());
        assert_eq!(bmc.count(POST), 2);
    }
}
