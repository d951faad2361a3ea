//! `docs/CONFIGURATION.md`, made from the declared keys and the effective config of an empty file, so that a default
//! cannot be documented otherwise than it works.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use super::{
    Config, Environment, PATH_DEFAULT,
    key::{Form, Key, SECTIONS, Section},
};

const INTRODUCTION: &str = "\
Every key in one form: name = kind (**default**), then what it means. This page is generated from the program; `bmcwatch
config show` prints the values in effect, `bmcwatch check-config` reports every problem of a file at once, each with
its place.

- Durations are strings such as `\"90s\"`, `\"5m\"`, `\"1h 30m\"`, `\"14d\"`; above 0, at most ten years.
- Sizes are strings such as `\"100MiB\"` (powers of 1024) or `\"1GB\"` (powers of 1000).
- `${NAME}` in any string value is replaced by that environment variable, `${NAME:-default}` by the default when the
  variable is unset or empty, `$${` by the two characters `${`. This happens after parsing: a variable cannot add keys.
- An unknown key is a problem, not a warning. A file with problems is not used at all: at start the program ends with
  exit code 78, at reload it keeps the config that it has.
";

/// The text of `docs/CONFIGURATION.md`.
pub fn reference() -> String {
    let defaults = defaults();
    let mut page = format!(
        "# Configuration\n\nA TOML file, `{PATH_DEFAULT}` unless `--config PATH` names another.\n{INTRODUCTION}"
    );
    for section in SECTIONS.iter().filter(|section| section.keys.iter().any(|key| !key.doc.is_empty())) {
        write!(page, "\n## `{}`\n\n{}\n\n", section.header(), section.doc)
            .expect("a String takes everything");
        for key in section.keys.iter().filter(|key| !key.doc.is_empty()) {
            let default = default_of(section, key, &defaults);
            write!(page, "- `{}` = {} ({default})  \n  {}\n", key.name, key.kind, key.doc)
                .expect("a String takes everything");
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
    }
    page
}

/// `table.key` and its value, from the effective config of an empty file.
fn defaults() -> BTreeMap<String, String> {
    let nothing = Environment::of(BTreeMap::new());
    let (config, _) =
        Config::parse(Path::new("empty"), "", &nothing).expect("an empty file is a valid config");
    let mut table = String::new();
    let mut defaults = BTreeMap::new();
    for line in config.show().lines() {
        if let Some(header) = line.strip_prefix('[') {
            header.trim_matches(['[', ']']).clone_into(&mut table);
        } else if let Some((key, value)) = line.split_once(" = ") {
            defaults.insert(format!("{table}.{key}"), value.to_owned());
        }
    }
    defaults
}

fn default_of(section: &Section, key: &Key, defaults: &BTreeMap<String, String>) -> String {
    let shown = match section.form {
        Form::Table => defaults.get(&format!("{}.{}", section.name, key.name)),
        Form::Array | Form::Named => None,
    };
    let default = shown.map_or_else(|| key.absent.to_owned(), |value| format!("`{value}`"));
    assert!(!default.is_empty(), "{}.{} has no default text", section.name, key.name);
    format!("**{default}**")
}
