//! The repository's own rules, checked by `cargo test`: who may use whom, how long a file is, what it is called, and
//! that documents speak of things that exist.
//!
//! Not here: what clippy and rustfmt check.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A longer file holds more than one noun.
const LINES_MAX: usize = 500;

/// Which of our crates a crate may use: the architecture in seven lines.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("model", &[]),
    ("journal", &[]),
    ("sim", &[]),
    ("redfish", &["model"]),
    ("collect", &["model", "redfish", "journal"]),
    ("sink", &["model", "journal"]),
    ("bmcwatch", &["model", "redfish", "journal", "collect", "sink", "sim"]),
];

/// Tests of every crate may stand on the simulator.
const TESTS_MAY_USE: &str = "sim";

/// Names that say nothing about what is inside.
const BANNED_NAMES: [&str; 7] = ["utils", "util", "common", "types", "manager", "helpers", "misc"];

/// Directories of whoever built this have no place in a file that others read. Split, so that this file may name them.
const BANNED_PATHS: [&str; 3] = [concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/ro", "ot/")];

#[test]
fn the_table_names_every_crate() {
    let named: BTreeSet<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let present: BTreeSet<String> = list(&root().join("crates")).iter().map(|path| file_name(path)).collect();
    assert_eq!(named, present);
}

#[test]
fn crates_use_only_what_the_architecture_allows() {
    let mut problems = Vec::new();
    for (name, allowed) in MAY_USE {
        let manifest = manifest(name);
        for (table, extra) in [("dependencies", None), ("dev-dependencies", Some(TESTS_MAY_USE))] {
            let Some(used) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            let ours = used.keys().filter(|key| MAY_USE.iter().any(|(ours, _)| ours == key));
            let forbidden =
                ours.filter(|key| !allowed.contains(&key.as_str()) && extra != Some(key.as_str()));
            problems.extend(forbidden.map(|key| format!("{name} must not use {key} in [{table}]")));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let without = MAY_USE.iter().filter(|(name, _)| {
        let manifest = manifest(name);
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        lints.and_then(toml::Value::as_bool) != Some(true)
    });
    let problems: Vec<String> =
        without.map(|(name, _)| format!("{name}: no `[lints] workspace = true`")).collect();
    assert_none(&problems);
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut problems = Vec::new();
    for path in our_rust() {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > LINES_MAX {
            problems.push(format!(
                "{}: {lines} lines, at most {LINES_MAX}: it holds more than one noun",
                shown(&path)
            ));
        }
        if !text.starts_with("//!") {
            problems.push(format!("{}: its first line must be a module doc, `//! ...`", shown(&path)));
        }
    }
    assert_none(&problems);
}

#[test]
fn files_are_named_after_what_they_hold() {
    let rust = our_rust();
    let banned = rust.iter().filter(|path| {
        let within = path.strip_prefix(root()).expect("it was found below the root");
        let mut names = within.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        names.any(|name| BANNED_NAMES.contains(&name.trim_end_matches(".rs")))
    });
    let problems: Vec<String> =
        banned.map(|path| format!("{}: name the noun of the domain", shown(path))).collect();
    assert_none(&problems);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut problems = Vec::new();
    for path in our_texts() {
        for (number, line) in read(&path).lines().enumerate() {
            let found = BANNED_PATHS.iter().find(|banned| names_directory(line, banned));
            problems.extend(found.map(|banned| format!("{}:{}: {banned}", shown(&path), number + 1)));
        }
    }
    assert_none(&problems);
}

#[test]
fn every_relative_link_in_a_document_leads_somewhere() {
    let mut problems = Vec::new();
    for path in our_texts().into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "md")) {
        let directory = path.parent().expect("a file has a directory");
        for target in links(&read(&path)) {
            if !directory.join(&target).exists() {
                problems.push(format!("{}: {target} does not exist", shown(&path)));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn the_architecture_names_every_crate_and_only_files_that_exist() {
    let text = read(&root().join("docs/ARCHITECTURE.md"));
    let unnamed = MAY_USE.iter().filter(|(name, _)| !text.contains(&format!("`crates/{name}`")));
    let mut problems: Vec<String> =
        unnamed.map(|(name, _)| format!("`crates/{name}` is not described")).collect();
    let words = text.split(|c: char| c.is_whitespace() || "`()[],;:\"".contains(c));
    let paths = words.map(|word| word.trim_end_matches('.')).filter(|word| word.starts_with("crates/"));
    problems.extend(
        paths.filter(|path| !root().join(path).exists()).map(|path| format!("{path} does not exist")),
    );
    assert_none(&problems);
}

/// The targets of inline links that are paths: no scheme, no pure anchor; an anchor behind a path is cut.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let pieces = if fenced { "" } else { line };
        for piece in pieces.split("](").skip(1) {
            let target = piece.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// Whether `line` holds `directory` as the beginning of a path, not as the middle of a longer one.
fn names_directory(line: &str, directory: &str) -> bool {
    line.match_indices(directory)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c)))
}

fn manifest(name: &str) -> toml::Table {
    let text = read(&root().join("crates").join(name).join("Cargo.toml"));
    text.parse().expect("cargo has read it too")
}

/// Every text that we wrote: code, documents, configuration, manifests, scripts.
fn our_texts() -> Vec<PathBuf> {
    let kinds = ["rs", "md", "toml", "yaml", "yml", "service", "json", "sh", "js", "css", "html"];
    let below = ["crates", "docs", "deploy", "example", "fuzz/src", "fuzz/fuzz_targets"]
        .map(|name| files(&root().join(name), &kinds));
    let top = list(&root()).into_iter().filter(|path| {
        let known = path.extension().is_none_or(|ext| kinds.iter().any(|kind| ext == *kind));
        path.is_file() && known && !file_name(path).starts_with('.')
    });
    let others = [".ci/run", "fuzz/Cargo.toml", "fuzz/run.sh", "fuzz/seeds.sh"].map(|name| root().join(name));
    below.into_iter().flatten().chain(top).chain(others).collect()
}

/// What the compiler reads. Beside the fuzz targets lie inputs and builds that nobody wrote.
fn our_rust() -> Vec<PathBuf> {
    let below = ["crates", "fuzz/src", "fuzz/fuzz_targets"].map(|name| files(&root().join(name), &["rs"]));
    below.into_iter().flatten().collect()
}

fn files(directory: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in list(directory) {
        if path.is_dir() {
            found.extend(files(&path, kinds));
        } else if path.extension().is_some_and(|ext| kinds.iter().any(|kind| ext == *kind)) {
            found.push(path);
        }
    }
    found
}

/// What is in a directory, in the order of names; nothing where there is no directory.
fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).expect("it was listed just now");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("it was listed").to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("the crate is two levels down").to_owned()
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}
