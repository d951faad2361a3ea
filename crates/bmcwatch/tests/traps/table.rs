//! The table of traps in `docs/TESTING.md` is complete and true: a row for each trap, each row names tests that exist, each
//! test that is named after a trap is in its row, and each protection has a mutation that applies.
//!
//! `UPDATE_GOLDEN=1` writes the tests into their rows. That the mutations are noticed is shown by `benches/mutate.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use crate::mutation::{self, Mutation};

/// How the head of the table begins; its rows follow.
const HEAD: &str = "| trap | name | what the daemon does | test |";

/// All traps: `1`, ..., `9`, `9b`, ..., `77`.
fn traps() -> Vec<String> {
    let with_b = |number: u32| [number.to_string()].into_iter().chain((number == 9).then(|| "9b".to_owned()));
    (1..=77).flat_map(with_b).collect()
}

/// The traps that the name of a test begins with: `t21_t23_hpe_events` is about two.
fn traps_of(name: &str) -> Vec<String> {
    let trap = |part: &str| {
        let digits = part.strip_prefix('t')?;
        let number = digits.strip_suffix('b').unwrap_or(digits);
        let is_number = number.len() >= 2 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.trim_start_matches('0').to_owned())
    };
    name.split('_').map_while(trap).collect()
}

/// A row of the table.
struct Row {
    trap: String,
    name: String,
    does: String,
    tests: String,
}

impl Row {
    fn line(&self) -> String {
        format!("| T{} | {} | {} | {} |", self.trap, self.name, self.does, self.tests)
    }
}

fn document() -> PathBuf {
    mutation::root().join("docs/TESTING.md")
}

/// The document before the rows, the rows, and what follows.
fn table() -> (String, Vec<Row>, String) {
    let text = fs::read_to_string(document()).expect("the document can be read");
    let at = text.find(HEAD).expect("the document has the table");
    let begin = at + text[at..].match_indices('\n').nth(1).expect("two lines of head").0 + 1;
    let end = text[begin..].find("\n\n").map_or(text.len(), |length| begin + length + 1);
    let rows = text[begin..end].lines().map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [trap, name, does, tests] = cells[..] else { panic!("not four cells: {line}") };
        let trap = trap.strip_prefix('T').expect("a row begins with a trap").to_owned();
        Row { trap, name: name.to_owned(), does: does.to_owned(), tests: tests.to_owned() }
    });
    (text[..begin].to_owned(), rows.collect(), text[end..].to_owned())
}

/// What is written in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Every function of the sources, and where it stands.
fn functions() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let root = mutation::root();
    for path in sources(&root.join("crates")) {
        let shown = path.strip_prefix(&root).expect("it was found below").display().to_string();
        for line in fs::read_to_string(&path).expect("it was listed").lines() {
            let line = line.trim_start();
            let Some(rest) = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn ")) else {
                continue;
            };
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.entry(name).or_default().insert(shown.clone());
        }
    }
    found
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("it is a directory")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found
}

/// The cell of tests: those that are named after the trap, in `tests/traps` where there are any. A row whose trap has none
/// says by hand who covers it.
fn tests_of(row: &Row, functions: &BTreeMap<String, BTreeSet<String>>) -> String {
    let named = functions.iter().filter(|(name, _)| traps_of(name).contains(&row.trap));
    let (stories, others): (Vec<_>, Vec<_>) =
        named.partition(|(_, places)| places.iter().any(|place| place.contains("/tests/traps/")));
    let cells: Vec<String> =
        [stories, others].into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
    if cells.is_empty() { row.tests.clone() } else { cells.join(", ") }
}

#[test]
fn the_table_of_traps_is_complete_and_names_tests_that_exist() {
    let functions = functions();
    let (before, mut rows, after) = table();
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    if env::var("UPDATE_GOLDEN").is_ok() {
        for row in &mut rows {
            row.tests = tests_of(row, &functions);
        }
        let lines: String = rows.iter().map(|row| row.line() + "\n").collect();
        fs::write(document(), format!("{before}{lines}{after}")).unwrap();
    }
    let listed: Vec<&str> = rows.iter().map(|row| row.trap.as_str()).collect();
    assert_eq!(listed, traps(), "a row for each trap, in order");
    let mut wrong = Vec::new();
    for row in &rows {
        let named = quoted(&row.tests);
        if named.is_empty() || row.name.is_empty() || row.does.is_empty() {
            wrong.push(format!("T{}: a row says what happens and names a test", row.trap));
        }
        let unknown = named.iter().filter(|name| !functions.contains_key(**name));
        wrong.extend(unknown.map(|name| format!("T{}: there is no test {name}", row.trap)));
        if row.tests != tests_of(row, &functions) {
            wrong.push(format!("T{}: its tests are {}", row.trap, tests_of(row, &functions)));
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 fills the tests in:\n{}", wrong.join("\n"));
}

#[test]
fn every_trap_has_a_mutation() {
    let mutations = mutation::all(&mutation::root()).unwrap();
    let mutated: BTreeSet<String> =
        mutations.iter().flat_map(|mutation| traps_of(&format!("{}_", mutation.trap))).collect();
    let without: Vec<String> = traps().into_iter().filter(|trap| !mutated.contains(trap)).collect();
    assert!(without.is_empty(), "no mutation for {}", without.join(", "));
}

#[test]
fn every_mutation_applies_and_names_a_test_that_exists() {
    let root = mutation::root();
    let functions = functions();
    let mut wrong = Vec::new();
    for mutation in mutation::all(&root).unwrap() {
        for edit in &mutation.edits {
            let text =
                fs::read_to_string(root.join(&edit.file)).map_err(|why| format!("{}: {why}", edit.file));
            if let Err(why) = text.and_then(|text| edit.apply(&text)) {
                wrong.push(format!("{}: {why}", mutation.place));
            }
        }
        let filter = mutation.test.name.rsplit("::").next().unwrap_or_default();
        if !functions.keys().any(|name| name.contains(filter)) {
            wrong.push(format!("{}: there is no test {filter}", mutation.place));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_mutation_is_read_as_it_is_written() {
    let text = "# why\ntrap: t25\nfile: a.rs\nold:\n| one\n|\n|   two\nnew:\n| three\n\n\
                trap: t09b\ntest: redfish lib t09b_x\nfile: b.rs\nold:\n| gone\nnew:\nfile: c.rs\nold:\n| a\nnew:\n| b\n";
    let read: Vec<Mutation> = mutation::parse("x.txt", text).unwrap();
    let [first, second] = &read[..] else { panic!("{read:?}") };
    assert_eq!(
        (first.trap.as_str(), first.test.name.as_str(), first.place.as_str()),
        ("t25", "t25_", "x.txt:1")
    );
    assert_eq!(first.edits[0].old, "one\n\n  two");
    assert_eq!(first.edits[0].apply("zero one\n\n  two four").unwrap(), "zero three four");
    assert!(first.edits[0].apply("nothing").is_err());
    assert_eq!(second.test.target, "lib");
    assert_eq!(second.edits[0].apply("0\ngone\n1\n").unwrap(), "0\n1\n");
    assert!(second.edits[1].apply("a a").is_err(), "twice is once too often");
    assert!(mutation::parse("x.txt", "trap: t25\n").is_err());
    assert_eq!(traps_of("t09b_t23_alike"), ["9b", "23"]);
    assert!(traps_of("tells").is_empty());
}
