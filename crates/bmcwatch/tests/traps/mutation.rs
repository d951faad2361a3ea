//! A mutation: one protection taken out of the code, and the test that must notice. It only reads the files under
//! `mutations/`; `benches/mutate.rs` does what they say.
//!
//! ```text
//! trap: t25
//! test: redfish lib t25_the_next_link_has_three_spellings
//! file: crates/redfish/src/page.rs
//! old:
//! | the text as it stands there, once
//! new:
//! | what takes its place
//! ```
//!
//! A blank line ends a block. `test:` is package, target (`lib` or the name of a test target) and test; without it, the
//! tests of the target `traps` whose names begin with the trap are meant. `file:`, `old:` and `new:` may come several
//! times when a protection stands in two places. Lines that begin with `#` say why.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One protection taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutation {
    /// The trap, as tests are called: `t09b`.
    pub(crate) trap: String,
    /// Who must notice.
    pub(crate) test: Test,
    /// What changes.
    pub(crate) edits: Vec<Edit>,
    /// The file and line that it was read from.
    pub(crate) place: String,
}

/// A test or the tests that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) package: String,
    /// `lib`, or the name of a test target.
    pub(crate) target: String,
    /// Part of the name, as the test program filters.
    pub(crate) name: String,
}

/// A text that is replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edit {
    /// From the top of the repository.
    pub(crate) file: String,
    pub(crate) old: String,
    pub(crate) new: String,
}

impl Edit {
    /// The whole text of the file with the edit in it; an error when the old text is not there exactly once.
    pub(crate) fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.old).count() {
            1 if self.old != self.new => Ok(text.replacen(&self.old, &self.new, 1)),
            1 => Err(format!("{}: the old text is the new one", self.file)),
            times => Err(format!("{}: the old text is there {times} times", self.file)),
        }
    }
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("the crate is two levels down").to_owned()
}

/// Every mutation below a repository's top, in the order of files.
pub(crate) fn all(root: &Path) -> Result<Vec<Mutation>, String> {
    let directory = root.join("crates/bmcwatch/tests/traps/mutations");
    let listed = fs::read_dir(&directory).map_err(|why| format!("{}: {why}", directory.display()))?;
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "txt"));
    paths.sort();
    let mut mutations = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|why| format!("{name}: {why}"))?;
        mutations.extend(parse(&name, &text)?);
    }
    Ok(mutations)
}

/// The blocks of one file.
pub(crate) fn parse(file: &str, text: &str) -> Result<Vec<Mutation>, String> {
    let mut mutations = Vec::new();
    let mut block = Vec::new();
    for (number, line) in text.lines().chain([""]).enumerate() {
        let line = line.trim_end();
        if !line.is_empty() {
            block.push((number + 1, line));
            continue;
        }
        let Some((first, _)) = block.first() else { continue };
        let place = format!("{file}:{first}");
        if block.iter().any(|(_, line)| !line.starts_with('#')) {
            mutations.push(parse_block(place, &block)?);
        }
        block.clear();
    }
    Ok(mutations)
}

fn parse_block(place: String, block: &[(usize, &str)]) -> Result<Mutation, String> {
    let (mut trap, mut test, mut edits) = (None, None, Vec::<Edit>::new());
    let mut side = None;
    for (number, line) in block {
        let wrong = |why: &str| format!("{place}, line {number}: {why}: {line}");
        if line.starts_with('#') {
            continue;
        }
        if let Some(text) = line.strip_prefix('|') {
            let edit = edits.last_mut().ok_or_else(|| wrong("text before `file:`"))?;
            let into = match side {
                Some("old") => &mut edit.old,
                Some("new") => &mut edit.new,
                _ => return Err(wrong("text before `old:` or `new:`")),
            };
            into.push_str(text.strip_prefix(' ').unwrap_or(text));
            into.push('\n');
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| wrong("neither a key nor `| text`"))?;
        let value = value.trim();
        side = None;
        match key {
            "trap" => trap = Some(value.to_owned()),
            "test" => test = Some(parse_test(value).ok_or_else(|| wrong("package, target and name"))?),
            "file" => edits.push(Edit { file: value.to_owned(), ..Edit::default() }),
            "old" => side = Some("old"),
            "new" => side = Some("new"),
            _ => return Err(wrong("an unknown key")),
        }
    }
    let trap = trap.ok_or_else(|| format!("{place}: no `trap:`"))?;
    if edits.is_empty() || edits.iter().any(|edit| edit.old.is_empty()) {
        return Err(format!("{place}: no `file:` or no `old:`"));
    }
    for edit in &mut edits {
        // The last end of line belongs to the file, so that a piece of a line can be named; a text that goes takes its
        // lines along.
        if !edit.new.is_empty() {
            edit.new.pop();
            edit.old.pop();
        }
    }
    let test = test.unwrap_or_else(|| Test {
        package: "bmcwatch".to_owned(),
        target: "traps".to_owned(),
        name: format!("{trap}_"),
    });
    Ok(Mutation { trap, test, edits, place })
}

fn parse_test(value: &str) -> Option<Test> {
    let mut words = value.split_whitespace().map(str::to_owned);
    let test = Test { package: words.next()?, target: words.next()?, name: words.next()? };
    words.next().is_none().then_some(test)
}
