//! What others draw and alert on: the rules for Prometheus and the dashboard for Grafana use only names that the program
//! has, every alert is seen to fire in a test of its own, and queries can be read.
//!
//! Needs `promtool` (Debian's package `prometheus`). Not here: that the documented names are the program's
//! (`metrics_page`).

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const RULES: &str = "deploy/prometheus/bmcwatch.rules.yml";
const RULE_TESTS: &str = "deploy/prometheus/bmcwatch.rules.test.yml";
const DASHBOARD: &str = "deploy/grafana/bmcwatch.json";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every name in the first column of the tables, with the prefix, and what a histogram makes of it.
fn documented() -> BTreeSet<String> {
    let text = read("docs/METRICS.md");
    let rows = text.lines().filter_map(|row| row.strip_prefix("| `"));
    let mut names = BTreeSet::new();
    for row in rows {
        let (name, rest) = row.split_once('`').unwrap();
        let name = if name.starts_with("process_") { name.to_owned() } else { format!("bmcwatch_{name}") };
        if rest.starts_with(" | histogram") {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
        names.insert(name);
    }
    names
}

/// Words that look like our metrics.
fn used(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("bmcwatch_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

/// Every query of the dashboard, as Prometheus gets it: Grafana's variables filled in.
fn queries() -> Vec<String> {
    let panels = panels();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expression = |target: &Value| target["expr"].as_str().unwrap().to_owned();
    targets.map(expression).map(|query| query.replace("$__rate_interval", "5m").replace('$', "")).collect()
}

fn promtool(arguments: &[&str]) {
    let output =
        Command::new("promtool").args(arguments).output().expect("Debian's package `prometheus` is there");
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {}:\n{told}", arguments.join(" "));
}

#[test]
fn rules_and_dashboard_use_only_metrics_that_there_are() {
    let documented = documented();
    for path in [RULES, RULE_TESTS, DASHBOARD] {
        let used = used(&read(path));
        assert!(used.len() > 10, "{path} uses hardly any: {used:?}");
        let unknown: Vec<&String> = used.difference(&documented).collect();
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
    }
}

#[test]
fn the_rules_are_right_and_every_alert_is_seen_to_fire_and_not_to_fire() {
    promtool(&["check", "rules", project(RULES).to_str().unwrap()]);
    promtool(&["test", "rules", project(RULE_TESTS).to_str().unwrap()]);
    let (rules, tests) = (read(RULES), read(RULE_TESTS));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(alerts.len(), 16);
    for alert in alerts {
        // Without alerts that are expected, a line of the table says that it does not fire.
        let silent = format!("alertname: {alert} }}");
        assert!(tests.contains(&silent), "{alert} is never seen not to fire");
        let fires = format!("alertname: {alert}\n        exp_alerts:");
        assert!(tests.contains(&fires), "{alert} is never seen to fire");
    }
}

#[test]
fn every_query_of_the_dashboard_can_be_read() {
    let rule = |(number, query): (usize, String)| {
        let quoted = query.replace('\\', "\\\\").replace('"', "\\\"");
        format!("      - {{ record: \"query:{number}\", expr: \"{quoted}\" }}\n")
    };
    let rules: String = queries().into_iter().enumerate().map(rule).collect();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queries.yml");
    fs::write(&path, format!("groups:\n  - name: dashboard\n    rules:\n{rules}")).unwrap();
    promtool(&["check", "rules", path.to_str().unwrap()]);
}

#[test]
fn the_dashboard_can_be_imported_anywhere() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "bmcwatch");
    assert_eq!(dashboard["__inputs"][0]["type"], "datasource");
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance", "endpoint"]);
    let mut ids = BTreeSet::new();
    for panel in panels() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
    }
}
