//! What is under `deploy/` agrees with the program and with itself: configurations load, units keep their promises,
//! numbers that stand in two places are equal.
//!
//! Not here: what only systemd or kustomize can judge; `.ci/run` asks them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the units and the pods set for the configurations.
const VARIABLES: [(&str, &str); 5] = [
    ("NODE_NAME", "node-1"),
    ("BMCWATCH_SHARD", "0/4"),
    ("BMCWATCH_ADMIN", "127.0.0.1:9633"),
    ("BMCWATCH_STATE", "/var/lib/bmcwatch/0-4"),
    ("BMCWATCH_RECORDS", "/var/log/bmcwatch/0-4"),
];

#[test]
fn every_configuration_under_deploy_loads() {
    let configs = configurations(&deploy());
    assert_eq!(configs.len(), 4, "a new configuration is checked too; count it here: {configs:?}");
    for config in configs {
        let output = Command::new(env!("CARGO_BIN_EXE_bmcwatch"))
            .args(["check-config", "--no-secrets"])
            .arg(&config)
            .envs(VARIABLES)
            .output()
            .expect("the program was built for this test");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{complaint}", config.display(), output.status);
    }
}

#[test]
fn the_unit_keeps_what_the_operations_guide_promises() {
    let unit = read("systemd/bmcwatch.service");
    let promised = [
        "Type=notify",
        "WatchdogSec=30s",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "RestartPreventExitStatus=78",
        "DynamicUser=yes",
        "StateDirectory=bmcwatch",
        "StateDirectoryMode=0700",
        "UMask=0077",
        "CapabilityBoundingSet=",
        "ExecReload=/bin/kill -HUP $MAINPID",
    ];
    for line in promised {
        assert!(settings(&unit).contains(&line), "bmcwatch.service has no line {line}");
    }
    // An ExecStartPre= that fails is tried for ever: only the main process is seen by RestartPreventExitStatus=.
    assert!(!settings(&unit).iter().any(|line| line.starts_with("ExecStartPre=")));
}

#[test]
fn a_shard_runs_under_the_same_restrictions_as_the_whole() {
    let of_one_instance =
        |line: &&str| !line.starts_with("StateDirectory=") && !line.starts_with("LogsDirectory=");
    let restrictions = |unit: &str| -> Vec<String> {
        let settings = settings(unit).into_iter().skip_while(|line| *line != "DynamicUser=yes");
        settings.filter(of_one_instance).map(str::to_owned).collect()
    };
    let whole = restrictions(&read("systemd/bmcwatch.service"));
    assert!(whole.len() > 30, "the restrictions were not found");
    assert_eq!(whole, restrictions(&read("systemd/bmcwatch@.service")));
}

#[test]
fn the_stateful_set_has_as_many_shards_as_replicas() {
    let text = read("kubernetes/overlays/statefulset/statefulset.yaml");
    let number_after = |mark: &str| -> u32 {
        let (_, rest) = text.split_once(mark).expect("the mark is there");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number follows")
    };
    assert_eq!(number_after("replicas: "), number_after("$(POD_INDEX)/"));
}

#[test]
fn every_file_that_a_kustomization_names_exists() {
    let mut named = 0;
    for path in kustomizations(&deploy().join("kubernetes")) {
        let directory = path.parent().expect("a file has a directory");
        let text = fs::read_to_string(&path).expect("it was listed just now");
        let items = text.lines().filter_map(|line| line.trim().strip_prefix("- "));
        let words =
            items.map(|item| item.trim_start_matches("path: ").split_whitespace().next().unwrap_or_default());
        for word in words.filter(|word| {
            word.starts_with("../")
                || Path::new(word).extension().is_some_and(|extension| extension == "yaml")
        }) {
            named += 1;
            assert!(directory.join(word).exists(), "{}: {word} does not exist", path.display());
        }
    }
    assert!(named >= 10, "only {named} names were found: the files are written differently now");
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_project() {
    let toolchain = fs::read_to_string(deploy().join("../rust-toolchain.toml")).expect("it is at the top");
    let toolchain: toml::Table = toolchain.parse().expect("rustup has read it too");
    let channel = toolchain["toolchain"]["channel"].as_str().expect("a text");
    assert!(read("docker/Dockerfile").contains(&format!("FROM rust:{channel}-")));
    assert!(read("docker/Dockerfile.dockerignore").contains("\n!.cargo/config.toml\n"), "jemalloc's pages");
}

/// The lines of a unit that set something.
fn settings(unit: &str) -> Vec<&str> {
    unit.lines().filter(|line| line.contains('=') && !line.starts_with('#')).collect()
}

fn configurations(directory: &Path) -> Vec<PathBuf> {
    below(directory, &|path| path.extension().is_some_and(|extension| extension == "toml"))
}

fn kustomizations(directory: &Path) -> Vec<PathBuf> {
    below(directory, &|path| path.file_name().is_some_and(|name| name == "kustomization.yaml"))
}

/// The files below a directory that are `wanted`.
fn below(directory: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(below(&path, wanted));
        } else if wanted(&path) {
            found.push(path);
        }
    }
    found
}

fn read(name: &str) -> String {
    fs::read_to_string(deploy().join(name)).expect("it is under deploy/")
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}
