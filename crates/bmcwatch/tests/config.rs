//! Config files as operators write them: the examples load, defaults are one, a shown config loads again, and every
//! bad file gives exactly its messages.
//!
//! `UPDATE_GOLDEN=1` rewrites the expected texts; read the diff.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use bmcwatch::config::{Config, Environment, Problems, SinkKind, Warning, reference};
use collect::{LogSettings, Mode, RetrySse};

const MINIMAL: &str = "[[endpoints]]\naddress = \"https://10.0.17.12\"\nauth = \"none\"\n";

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn parse(text: &str) -> Result<(Config, Vec<Warning>), Problems> {
    Config::parse(Path::new("test.toml"), text, &environment(&[("PASSWORD", "s3cret"), ("NODE_NAME", "n1")]))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("it is readable").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    paths.sort();
    paths
}

/// Compares with a committed text, or rewrites it.
fn golden(path: &Path, actual: &str) {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    if env::var("UPDATE_GOLDEN").is_ok() {
        fs::write(path, actual).expect("the file is writable");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(expected == actual, "{} differs (UPDATE_GOLDEN=1 rewrites it); now:\n{actual}", path.display());
}

#[test]
fn every_bad_file_gives_exactly_its_messages() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/bad");
    let paths = files(&directory);
    assert!(paths.len() >= 25, "{} bad files", paths.len());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        let outcome = Config::parse(name, &text, &environment(&[("PASSWORD", "s3cret"), ("EMPTY", "")]));
        let problems = outcome.expect_err(&path.display().to_string());
        golden(&path.with_extension("txt"), &format!("{problems}\n"));
    }
}

#[test]
fn every_example_passes_away_from_the_machine_that_it_is_for() {
    let paths = files(&root().join("example"));
    assert!(paths.len() >= 4);
    for path in paths {
        let nothing = environment(&[]).without_secrets();
        let (config, warnings) =
            Config::load(&path, &nothing).unwrap_or_else(|problems| panic!("{problems}"));
        let keys: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
        // A pod's listener must leave loopback; that it is open is said, and nothing else.
        let expected: &[&str] = if path.ends_with("kubernetes.toml") { &["admin.listen"] } else { &[] };
        assert_eq!(keys, expected, "{}", path.display());
        assert!(!config.endpoints.is_empty() || !config.sources.is_empty());
    }
}

#[test]
fn the_teaching_example_writes_out_the_defaults() {
    let path = root().join("example/bmcwatch.toml");
    let (config, _) = Config::load(&path, &environment(&[]).without_secrets()).unwrap();
    let (default, _) = parse(MINIMAL).unwrap();
    assert_eq!(config.logs, default.logs);
    assert_eq!(config.journal, default.journal);
    assert_eq!(config.admin, default.admin);
    assert_eq!(config.metrics, default.metrics);
    assert_eq!(config.log, default.log);
    assert_eq!(config.interval, default.interval);
}

#[test]
fn a_minimal_file_gets_the_defaults_of_the_collectors() {
    let (config, warnings) = parse(MINIMAL).unwrap();
    assert_eq!(warnings, []);
    let desired = config.desired();
    assert_eq!(desired.logs, LogSettings::default());
    assert_eq!(desired.interval, collect::DISCOVERY_INTERVAL);
    assert_eq!(desired.endpoints.len(), 1);
    assert_eq!(desired.endpoints[0].endpoint.id.as_str(), "10.0.17.12");
    assert_eq!(desired.endpoints[0].endpoint.address, "https://10.0.17.12");
    assert_eq!(config.sinks.len(), 1);
    assert_eq!(config.sinks[0].kind, SinkKind::Stdout);
}

#[test]
fn the_id_of_an_endpoint_is_its_address_without_scheme_and_default_port() {
    for (address, id) in [
        ("https://bmc.example", "bmc.example"),
        ("https://bmc.example:443", "bmc.example"),
        ("https://bmc.example:8443", "bmc.example:8443"),
        ("http://10.0.0.1:80/", "10.0.0.1"),
        ("https://[fd00::12]", "fd00::12"),
        ("https://[fd00::12]:8443", "[fd00::12]:8443"),
    ] {
        let text = format!("[[endpoints]]\naddress = \"{address}\"\nauth = \"none\"\n");
        assert_eq!(parse(&text).unwrap().0.endpoints[0].endpoint.id.as_str(), id, "{address}");
    }
}

#[test]
fn only_takes_the_endpoints_of_this_node() {
    let text = "
        discovery.only = { node = \"${NODE_NAME}\" }
        [[endpoints]]
        address = \"https://a\"
        auth = \"none\"
        labels = { node = \"n1\" }
        [[endpoints]]
        address = \"https://b\"
        auth = \"none\"
        labels = { node = \"n2\" }";
    let (config, _) = parse(text).unwrap();
    let desired = config.desired();
    let taken: Vec<&str> = desired.endpoints.iter().map(|spec| spec.endpoint.id.as_str()).collect();
    assert_eq!((config.endpoints.len(), &taken[..]), (2, &["a"][..]));
}

#[test]
fn every_setting_of_the_logs_is_read() {
    let text = "
        [collectors.logs]
        mode = \"periodic\"
        initial_history = \"all\"
        reconcile_interval = \"1h\"
        exclude_services = []
        report_changes = true
        [collectors.logs.periodic]
        logs_collection_interval = \"1m\"
        state_refresh_interval = \"2m\"
        logs_state_file = \"/tmp/{machine_id}.json\"
        [collectors.logs.auto]
        sse_not_available_threshold = 2
        connect_failure_window = \"3m\"
        connect_failure_threshold = 4
        min_stream_lifetime = \"5s\"
        retry_sse_after = \"never\"
        retry_sse_max = \"6m\"
        [collectors.logs.sse]
        initial_backoff = \"7s\"
        max_backoff = \"8s\"
        idle_timeout = \"9s\"";
    let (config, warnings) = parse(text).unwrap();
    let logs = config.logs;
    assert_eq!(warnings.iter().map(|warning| warning.key.as_str()).collect::<Vec<_>>(), ["endpoints"]);
    let minutes = |count: u64| Duration::from_secs(60 * count);
    assert_eq!((logs.mode, logs.initial_history), (Mode::Periodic, collect::History::All));
    assert_eq!((logs.reconcile_interval, logs.exclude_services), (minutes(60), vec![]));
    assert!(logs.report_changes);
    assert_eq!(logs.periodic.logs_collection_interval, minutes(1));
    assert_eq!(logs.periodic.state_refresh_interval, minutes(2));
    assert_eq!(logs.periodic.logs_state_file.as_deref(), Some(Path::new("/tmp/{machine_id}.json")));
    assert_eq!((logs.auto.sse_not_available_threshold, logs.auto.connect_failure_threshold), (2, 4));
    assert_eq!((logs.auto.connect_failure_window, logs.auto.retry_sse_max), (minutes(3), minutes(6)));
    assert_eq!(logs.auto.min_stream_lifetime, Duration::from_secs(5));
    assert_eq!(logs.auto.retry_sse_after, RetrySse::Never);
    let sse = [logs.sse.initial_backoff, logs.sse.max_backoff, logs.sse.idle_timeout];
    assert_eq!(sse, [7, 8, 9].map(Duration::from_secs));
}

#[test]
fn the_example_of_targets_becomes_endpoints_of_the_example_of_sources() {
    let nothing = environment(&[]).without_secrets();
    let (config, _) = Config::load(&root().join("example/sources.toml"), &nothing).unwrap();
    let kinds: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(kinds, ["file_sd/0", "http_sd/0"]);
    let file = root().join("example/targets.json");
    let file = collect::FilePattern::of(file.to_str().unwrap()).unwrap();
    let look =
        collect::FileSource::new(vec![file], &collect::TargetList::default()).look(collect::Looking::Whole);
    let resolved = config.resolve(&look.list);
    assert_eq!(resolved.problems, []);
    let fleet = config.fleet(&[("file_sd/0", &resolved.endpoints)]);
    let ids: Vec<&str> = fleet.taken.iter().map(|one| one.endpoint.id.as_str()).collect();
    assert_eq!(ids, ["lab-1", "10.0.17.12", "10.0.17.13:8443", "fd00:17::14", "r18-u01"]);
    assert_eq!(fleet.problems, []);
}

#[test]
fn a_shown_config_loads_again_as_the_same_config() {
    for path in files(&root().join("example")) {
        let nothing = || environment(&[]).without_secrets();
        let (config, _) = Config::load(&path, &nothing()).unwrap();
        let shown = config.show();
        let again = Config::parse(Path::new("shown"), &shown, &nothing())
            .unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
        assert_eq!(again.0.show(), shown);
        assert_eq!(again.0, config, "{}", path.display());
    }
}

#[test]
fn origins_are_allowed_for_one_endpoint_or_for_all_and_tofu_is_a_trust() {
    let text = "
        [discovery]
        allowed_origins = [\"https://bmc-front:9090\"]
        [[endpoints]]
        address = \"https://a\"
        auth = \"none\"
        trust = \"tofu\"
        allowed_origins = [\"http://a:8080\"]
        [[endpoints]]
        address = \"https://b\"
        auth = \"none\"";
    let (config, warnings) = parse(text).unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert!(warnings[0].contains("http://a:8080: http sends the password in clear"), "{warnings:?}");
    let desired = config.desired();
    let allowed = |at: usize| -> Vec<String> {
        desired.endpoints[at].client.allowed_origins.iter().map(ToString::to_string).collect()
    };
    assert_eq!(allowed(0), ["http://a:8080", "https://bmc-front:9090"]);
    assert_eq!(allowed(1), ["https://bmc-front:9090"]);
    assert_eq!(desired.endpoints[0].client.trust, redfish::Trust::Tofu);
    let (again, _) = parse(&config.show()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn passwords_are_never_shown() {
    let text = "
        [credentials.a]
        username = \"u\"
        password = \"hunter2\"
        [credentials.b]
        username = \"u\"
        password_env = \"PASSWORD\"
        [[endpoints]]
        address = \"https://a\"
        credentials = \"a\"";
    let (config, warnings) = parse(text).unwrap();
    assert_eq!(config.credentials[0].login.password.expose(), "hunter2");
    assert_eq!(config.credentials[1].login.password.expose(), "s3cret");
    // Each type that holds one on its way to a client.
    let desired = config.desired();
    let login = &config.credentials[0].login;
    let held = format!("{login:?} {:?} {:?}", login.password, config.endpoints[0].client);
    let reload = collect::Reload { desired: desired.clone().into(), revision: 0 };
    let seen = format!("{} {config:?} {warnings:?} {desired:?} {reload:?} {held}", config.show());
    assert!(seen.matches("password: ***").count() >= 7, "{seen}");
    assert!(seen.contains("password = \"***\"") && seen.contains("password_env = \"PASSWORD\""));
    assert!(!seen.contains("hunter2") && !seen.contains("s3cret"), "{seen}");
}

#[test]
fn a_problem_of_a_config_with_passwords_shows_none_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("open");
    fs::write(&file, "s3cret-in-a-file").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!(
        "[credentials.a]\nusername = \"u\"\npassword = \"hunter2\"\npasword = \"hunter3\"\n\
         [credentials.b]\nusername = \"u\"\npassword_file = \"{}\"\n\
         [credentials.c]\nusername = \"u\"\npassword = \"${{s3cret part}}\"\n",
        file.display()
    );
    let problems = parse(&text).unwrap_err();
    assert_eq!(problems.list().len(), 3, "{problems}");
    let seen = format!("{problems} {problems:?}");
    assert!(seen.contains("is open to others (mode 0644)"), "{seen}");
    assert!(!seen.contains("hunter") && !seen.contains("s3cret"), "{seen}");
}

#[test]
fn a_nats_sink_is_shown_whole_with_its_logins_by_their_files() {
    let text = "
        [[endpoints]]
        address = \"https://a\"
        auth = \"none\"
        [[sinks]]
        type = \"nats\"
        name = \"user\"
        servers = [\"nats://[fd00::1]\", \"nats://127.0.0.1:4333\"]
        username = \"ada\"
        password_file = \"/run/secrets/ada\"
        [[sinks]]
        type = \"nats\"
        name = \"seed\"
        servers = [\"nats://nats.example.net\"]
        subject = \"hw.{kind}.{label:rack}\"
        nkey_seed_file = \"seed\"
        timeout = \"5s\"
        [[sinks]]
        type = \"nats\"
        servers = [\"tls://nats.example.net\"]
        credentials_file = \"/run/secrets/nats.creds\"
        trust = \"ca:/etc/ca.pem\"
        cert_file = \"/etc/cert.pem\"
        key_file = \"/etc/key.pem\"";
    let away = environment(&[]).without_secrets();
    let (config, warnings) = Config::parse(Path::new("test.toml"), text, &away).unwrap();
    let warnings: Vec<String> =
        warnings.iter().map(|warning| format!("{} {}", warning.key, warning.text)).collect();
    // A seed is not sent.
    assert_eq!(
        warnings,
        ["sinks[0].servers the login travels in clear, where a server does not insist on TLS"]
    );
    let shown = config.show();
    assert!(shown.contains("subject = \"bmc.{label:site}.{endpoint}.{severity}\""), "{shown}");
    assert!(shown.contains("username = \"ada\"\npassword_file = \"/run/secrets/ada\""), "{shown}");
    let (again, _) = Config::parse(Path::new("shown.toml"), &shown, &away).unwrap();
    assert_eq!(again, config);
}

#[test]
fn an_endpoint_gets_its_own_credentials_before_those_that_match_it() {
    let text = "
        [[endpoints]]
        id = \"own\"
        address = \"https://10.0.17.1\"
        credentials = \"other\"
        [[endpoints]]
        id = \"matched\"
        address = \"https://10.0.17.2\"
        [[endpoints]]
        id = \"open\"
        address = \"https://10.0.17.3\"
        auth = \"none\"
        [credentials.range]
        username = \"range\"
        password_env = \"PASSWORD\"
        match.addresses = [\"10.0.17.0/24\"]
        [credentials.other]
        username = \"other\"
        password_env = \"PASSWORD\"";
    let (config, warnings) = parse(text).unwrap();
    assert_eq!(warnings, []);
    let users =
        config.endpoints.iter().map(|one| one.client.login.as_ref().map(|login| login.username.as_str()));
    assert_eq!(users.collect::<Vec<_>>(), [Some("other"), Some("range"), None]);
    // Shown, it is matched and not named, so that it follows the match.
    let shown = config.show();
    assert_eq!(shown.matches("\ncredentials = ").count(), 1, "{shown}");
    assert_eq!(parse(&shown).unwrap().0, config);
    let explained: Vec<String> = config.endpoints.iter().map(|one| config.explain(one)).collect();
    for (explained, parts) in explained.iter().zip([
        &[
            "credentials  other: as the endpoint says\n",
            "not          range: matches too, but what the endpoint says wins, ",
        ][..],
        &[
            "credentials  range: its match fits best, addresses = [\"10.0.17.0/24\"]\n",
            "password     ***: in the variable PASSWORD\n",
        ],
        &["credentials  none: `auth` is \"none\"\n", "auth         none: as the endpoint says\n"],
    ]) {
        assert!(parts.iter().all(|part| explained.contains(part)), "{explained}");
        assert!(!explained.contains("s3cret"), "{explained}");
    }
}

#[test]
fn what_works_and_should_be_looked_at_is_warned_about() {
    let text = "
        log.level = \"info\"
        collectors.logs.periodic.logs_state_file = \"/tmp/state.json\"
        [[endpoints]]
        address = \"http://a\"
        credentials = \"c\"
        trust = \"insecure\"
        [credentials.c]
        username = \"u\"
        password = \"hunter2\"
        [[endpoints]]
        id = \"again\"
        address = \"http://a\"
        credentials = \"c\"
        auth = \"none\"";
    let pairs = [("RUST_LOG", "inof")];
    let (config, warnings) = Config::parse(Path::new("test.toml"), text, &environment(&pairs)).unwrap();
    let keys: Vec<&str> = warnings.iter().map(|warning| warning.key.as_str()).collect();
    let expected = [
        "credentials.c.password",
        "endpoints[0].trust",
        "endpoints[0].address",
        "endpoints[1].credentials",
        "endpoints[1].address",
        "collectors.logs.periodic.logs_state_file",
        "log.level",
    ];
    assert_eq!(keys, expected);
    assert_eq!(config.log.level, "info");
    assert_eq!(parse("").unwrap().1[0].text, "no endpoints: there is nothing to watch");
}

#[test]
fn an_admin_listener_that_others_reach_is_protected_or_said_to_be_open() {
    let users = "basic_auth_users = { ada = \"unset\" }\n";
    let tls = "[admin.tls]\ncert_file = \"c\"\nkey_file = \"k\"\n";
    let clients = format!("{tls}client_ca_file = \"a\"\n");
    for (rules, warned) in [
        ("allow_insecure = true\n".to_owned(), Some("neither TLS nor a login")),
        (users.to_owned(), Some("passwords travel in clear")),
        (tls.to_owned(), Some("no login is asked for")),
        (format!("{users}{tls}"), None),
        (clients, None),
    ] {
        let text = format!("{MINIMAL}[admin]\nlisten = \"0.0.0.0:9632\"\n{rules}");
        let (_, warnings) =
            Config::parse(Path::new("x"), &text, &environment(&[]).without_secrets()).unwrap();
        let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.as_str()).collect();
        assert!(texts.len() == usize::from(warned.is_some()), "{rules}: {texts:?}");
        assert!(warned.is_none_or(|part| texts[0].contains(part)), "{rules}: {texts:?}");
    }
}

#[test]
fn hashes_are_never_shown_and_users_are() {
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    let text = format!("[admin]\nbasic_auth_users = {{ ada = \"{hash}\", \"a b\" = \"{hash}\" }}\n");
    let (config, _) = parse(&text).unwrap();
    assert_eq!(config.admin.basic_auth_users["ada"].expose(), hash);
    let seen = format!("{} {config:?}", config.show());
    assert!(seen.contains("basic_auth_users = { \"a b\" = \"***\", ada = \"***\" }"), "{seen}");
    assert!(!seen.contains(&hash[7..]), "{seen}");
}

#[test]
fn the_environment_may_set_the_level_of_the_log() {
    let (config, _) =
        Config::parse(Path::new("x"), MINIMAL, &environment(&[("RUST_LOG", "warn,collect=trace")])).unwrap();
    assert_eq!(config.log.level, "warn,collect=trace");
}

#[test]
fn a_password_file_is_read_where_it_is_private_and_refused_where_others_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dell");
    fs::write(&file, "s3cret\n").unwrap();
    let load = |written: &str, pairs: &[(&str, &str)]| {
        let text = format!("[credentials.a]\nusername = \"u\"\npassword_file = \"{written}\"\n");
        let outcome = Config::parse(Path::new("x"), &text, &environment(pairs));
        outcome
            .map(|(config, _)| config.credentials[0].login.password.expose().to_owned())
            .map_err(|problems| problems.list()[0].text.clone())
    };
    let path = file.display().to_string();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(load(&path, &[]), Err(format!("{path} is open to others (mode 0604)")));
    // What systemd puts into its directory is private to the service, whatever the mode says.
    let here = directory.path().display().to_string();
    let credentials = [("CREDENTIALS_DIRECTORY", here.as_str())];
    assert_eq!(load("dell", &credentials), Ok("s3cret".to_owned()));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(load(&path, &[]), Ok("s3cret".to_owned()));
    assert!(load("dell", &[]).unwrap_err().contains("relative path"));
    assert!(load("hpe", &credentials).unwrap_err().contains("cannot be read"));
    assert!(load(&here, &[]).unwrap_err().contains("not a regular file"));
}

#[test]
fn a_way_out_of_the_credentials_directory_does_not_escape_the_check_of_the_mode() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("credentials");
    fs::create_dir(&inside).unwrap();
    let file = directory.path().join("open");
    fs::write(&file, "s3cret").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let variables = [("CREDENTIALS_DIRECTORY", inside.to_str().unwrap())];
    let text = "[credentials.a]\nusername = \"u\"\npassword_file = \"../open\"\n";
    let problems = Config::parse(Path::new("x"), text, &environment(&variables)).unwrap_err();
    assert!(problems.list()[0].text.contains("open to others"), "{problems}");
}

#[test]
fn a_file_that_is_not_there_is_one_problem() {
    let problems =
        Config::load(Path::new("/nowhere/bmcwatch.toml"), &Environment::of(BTreeMap::new())).unwrap_err();
    let text = problems.to_string();
    assert!(text.starts_with("/nowhere/bmcwatch.toml: cannot be read: "), "{text}");
    assert!(text.contains("hint: is the path right?"), "{text}");
}

#[test]
fn the_reference_is_what_the_program_says() {
    golden(&root().join("docs/CONFIGURATION.md"), &reference());
}
