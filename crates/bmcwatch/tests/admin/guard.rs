//! Whom the listener refuses on plain HTTP: who has no login or a wrong one, web pages of others, who sends too much or
//! asks too often.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bmcwatch::{admin::ReloadOutcome, config::AdminConfig};
use model::Secret;

use crate::story::Story;

/// The rules of a listener with one user, `ada` with the password `s3cret`.
pub(crate) fn with_login() -> AdminConfig {
    // The lowest cost: what a hash costs is not tested here.
    let hash = Secret::new(bcrypt::hash("s3cret", 4).unwrap());
    AdminConfig { basic_auth_users: BTreeMap::from([("ada".to_owned(), hash)]), ..AdminConfig::default() }
}

fn login(user: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    format!("host: bmcwatch.example\r\nauthorization: Basic {encoded}\r\n")
}

/// Answers reloads as they come, so that an admitted one is answered with 200.
async fn with_reloads<T>(story: &mut Story, asked: impl AsyncFnOnce(&Story) -> T) -> T {
    let (_, closed) = tokio::sync::mpsc::channel(1);
    let mut reloads = std::mem::replace(&mut story.reloads, closed);
    let story = &*story;
    let answering = async {
        while let Some(reload) = reloads.recv().await {
            reload.done(ReloadOutcome::Applied);
        }
    };
    tokio::select! {
        answer = asked(story) => answer,
        () = answering => unreachable!("the listener holds the other end"),
    }
}

#[tokio::test]
async fn only_who_logs_in_is_answered_and_only_probes_need_not() {
    let mut story = Story::begin(with_login()).await;
    with_reloads(&mut story, async |story| {
        for path in ["/", "/metrics", "/api/v1/endpoints", "/api/v1/sinks", "/nowhere"] {
            let request = format!("GET {path}");
            let (status, answer) = story.ask(&request).await;
            assert!(
                status == 401 && answer.contains("www-authenticate: Basic realm=\"bmcwatch\""),
                "{answer}"
            );
            assert!(!answer.contains("ada"), "{answer}");
            for (user, password) in [("ada", "secret"), ("eve", "s3cret")] {
                // Five paths with two wrong logins each: as many as a client may have.
                assert_eq!(story.ask_with(&request, &login(user, password)).await.0, 401, "{path} {user}");
            }
        }
        assert_eq!(story.refused("login"), 15);
        for path in ["/livez", "/-/healthy", "/readyz", "/-/ready"] {
            assert!(matches!(story.ask(&format!("GET {path}")).await.0, 200 | 503), "{path}");
        }
        assert_eq!(story.ask("POST /-/reload").await.0, 401);
    })
    .await;
    let mut story = Story::begin(with_login()).await;
    with_reloads(&mut story, async |story| {
        for request in ["GET /", "GET /metrics", "POST /-/reload"] {
            assert_eq!(story.ask_with(request, &login("ada", "s3cret")).await.0, 200, "{request}");
        }
    })
    .await;
}

#[tokio::test]
async fn guessing_ends_after_a_few_and_does_not_lock_out_who_is_known() {
    let story = Story::begin(with_login()).await;
    assert_eq!(story.ask_with("GET /", &login("ada", "s3cret")).await.0, 200);
    for guess in 0..10 {
        assert_eq!(story.ask_with("GET /", &login("ada", &format!("guess {guess}"))).await.0, 401);
    }
    let (status, answer) = story.ask_with("GET /", &login("ada", "guess 11")).await;
    assert!(status == 429 && answer.contains("too many wrong logins"), "{answer}");
    let wait = answer.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((1..=600).contains(&wait.trim().parse::<u32>().unwrap()), "{answer}");
    assert_eq!((story.refused("login"), story.refused("login_rate")), (10, 1));
    assert_eq!(story.ask_with("GET /", &login("ada", "s3cret")).await.0, 200);
}

#[tokio::test]
async fn guesses_at_once_are_counted_before_they_are_checked() {
    let story = Story::begin(with_login()).await;
    let guesses = (0..30).map(|guess| {
        let headers = login("ada", &format!("guess {guess}"));
        let address = story.address;
        async move {
            let request = format!("GET / HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
            crate::story::exchange(address, request).await.0
        }
    });
    let mut tasks: tokio::task::JoinSet<u16> = guesses.collect();
    let mut statuses = BTreeMap::new();
    while let Some(status) = tasks.join_next().await {
        *statuses.entry(status.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(401, 10), (429, 20)]));
}

#[tokio::test]
async fn a_name_that_points_here_leads_no_browser_to_us() {
    let config = AdminConfig { allowed_hosts: vec!["bmcwatch.example".to_owned()], ..AdminConfig::default() };
    let story = Story::begin(config).await;
    for (host, status) in [
        ("localhost:9632", 200),
        ("127.0.0.1:9632", 200),
        ("[::1]:9632", 200),
        ("bmcwatch.example", 200),
        ("attacker.example:9632", 403),
        ("localhost.attacker.example", 403),
    ] {
        let (have, answer) = story.ask_with("GET /api/v1/endpoints", &format!("host: {host}\r\n")).await;
        assert_eq!(have, status, "{host}: {answer}");
        assert_eq!(have == 403, answer.contains("admin.allowed_hosts"), "{answer}");
    }
    assert_eq!(story.refused("host"), 2);
    // A kubelet may call by any name; what it learns is no secret.
    assert_eq!(story.ask_with("GET /livez", "host: pod.example\r\n").await.0, 200);
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_ask_for_a_reload() {
    for config in [AdminConfig::default(), with_login()] {
        let mut story = Story::begin(config).await;
        with_reloads(&mut story, async |story| {
            let host = "host: 127.0.0.1:9632\r\n";
            let known = login("ada", "s3cret").replace("host: bmcwatch.example\r\n", host);
            for (headers, status) in [
                ("", 200),
                ("origin: http://127.0.0.1:9632\r\nsec-fetch-site: same-origin\r\n", 200),
                ("origin: https://attacker.example\r\n", 403),
                ("origin: null\r\n", 403),
                ("sec-fetch-site: cross-site\r\n", 403),
                ("origin: http://127.0.0.1:8000\r\nsec-fetch-site: same-site\r\n", 403),
            ] {
                // The browser adds a login that it remembers, whoever's page asks.
                let (have, answer) = story.ask_with("POST /-/reload", &format!("{known}{headers}")).await;
                assert_eq!(have, status, "{headers}: {answer}");
            }
            assert_eq!(story.refused("cross_site"), 4);
            // Reading does no harm: what comes back is not shown to the page.
            let (status, _) =
                story.ask_with("GET /", &format!("{known}sec-fetch-site: cross-site\r\n")).await;
            assert_eq!(status, 200);
        })
        .await;
    }
}

#[tokio::test]
async fn heads_and_bodies_have_a_limit() {
    let story = Story::begin(AdminConfig::default()).await;
    let large = format!("host: localhost\r\nx: {}\r\n", "x".repeat(17 << 10));
    assert_eq!(story.ask_with("GET /livez", &large).await.0, 431);
    let many = "x: y\r\n".repeat(65);
    assert_eq!(story.ask_with("GET /livez", &format!("host: localhost\r\n{many}")).await.0, 431);
    for path in ["/-/reload", "/livez"] {
        let body = "host: localhost\r\ncontent-length: 65537\r\n";
        let (status, answer) = story.ask_with(&format!("POST {path}"), body).await;
        assert!(status == 413 && answer.contains("too large"), "{answer}");
    }
    assert_eq!(story.refused("body"), 2);
    let within = format!("host: localhost\r\nx: {}\r\ncontent-length: 65536\r\n", "x".repeat(8 << 10));
    assert_eq!(story.ask_with("GET /livez", &within).await.0, 200);
}

#[tokio::test]
async fn a_client_that_asks_without_end_is_told_to_wait_and_probes_are_not() {
    let story = Story::begin(AdminConfig::default()).await;
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str| http.get(format!("http://{}{path}", story.address)).send().await.unwrap();
    for _ in 0..3000 {
        assert_eq!(ask("/").await.status(), 200);
    }
    let refused = ask("/").await;
    assert_eq!(refused.status(), 429);
    let wait: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=121).contains(&wait), "{wait}");
    assert_eq!(ask("/livez").await.status(), 200);
    assert_eq!(story.refused("rate"), 1);
}
