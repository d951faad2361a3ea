//! The mutation round: takes each protection against a trap out, one after the other, and sees whether its test fails.
//!
//! `just mutate` for all, `just mutate t25 t26` for some. It works on a copy of what is committed or changed in tracked
//! files, in a scratch git worktree with a target directory of its own; the tree that it is called from is never written.
//! It ends with a table, and with 1 when a mutation survived or could not be tried. Not here: what the mutations are
//! (`tests/traps/mutations`).

#[path = "../tests/traps/mutation.rs"]
mod mutation;

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use mutation::{Edit, Mutation, Test};

/// A test that goes on for so long has noticed: with its protection it takes seconds. A loop that never ends is what some
/// protections are against.
const TEST_TIME_MAX: Duration = Duration::from_mins(2);

/// How often a running test is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Lines of a compiler's complaint that are shown.
const COMPLAINT_LINES: usize = 12;

/// The crates of ours that are optimised in tests, for the sake of simulated days.
const OPTIMISED: [&str; 5] = ["redfish", "collect", "journal", "model", "sim"];

/// What came of a mutation.
enum Verdict {
    /// The test failed: the protection is proved.
    Noticed,
    /// The test never ended: noticed too.
    Hung,
    /// The test passed.
    Survived,
    /// It says nothing: the mutation does not apply or does not compile, or its test does not pass without it.
    Error(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Noticed => f.pad("noticed"),
            Self::Hung => f.pad("noticed (hung)"),
            Self::Survived => f.pad("SURVIVED"),
            Self::Error(_) => f.pad("ERROR"),
        }
    }
}

/// How a test program ended.
enum Ended {
    Passed,
    Failed,
    Hung,
    NothingRan,
}

/// A copy of the repository, and where it is built.
struct Scratch {
    tree: PathBuf,
    target: PathBuf,
    /// What is mutated in it now.
    mutated: Vec<Edit>,
    /// Files as they were before.
    originals: BTreeMap<PathBuf, String>,
    /// Test programs of the tree as it is now, or what the compiler says, by package and target.
    programs: BTreeMap<(String, String), Result<String, String>>,
}

fn main() -> ExitCode {
    match round() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            say(&format!("failed to run the mutations: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every mutation was noticed.
fn round() -> Result<bool, String> {
    let mut asked: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut target = None;
    if let Some(at) = asked.iter().position(|argument| argument == "--target-dir") {
        target = asked.drain(at..).nth(1).map(PathBuf::from);
    }
    let root = mutation::root();
    let mut mutations = mutation::all(&root)?;
    mutations.retain(|mutation| asked.is_empty() || asked.contains(&mutation.trap));
    if mutations.is_empty() {
        return Err(format!("there is no mutation for {}", asked.join(", ")));
    }
    // What several tests shall notice is built once.
    mutations.sort_by(|one, other| one.edits.cmp(&other.edits));
    let mut scratch = Scratch::new(&root, target)?;
    say(&format!(
        "{} mutations; first their tests without them, in {}",
        mutations.len(),
        scratch.tree.display()
    ));
    let mut passes = BTreeMap::new();
    for test in mutations.iter().map(|mutation| &mutation.test) {
        if !passes.contains_key(test) {
            passes.insert(test.clone(), scratch.passes(test)?);
        }
    }
    let mut rows = Vec::new();
    for mutation in &mutations {
        #[expect(clippy::disallowed_methods, reason = "it measures real builds")]
        let begun = Instant::now();
        let verdict = match &passes[&mutation.test] {
            Ok(()) => scratch.judge(mutation)?,
            Err(why) => Verdict::Error(why.clone()),
        };
        let seconds = begun.elapsed().as_secs_f64();
        say(&format!("{:5} {:24} {verdict} in {seconds:.1} s", mutation.trap, mutation.place));
        if let Verdict::Error(why) = &verdict {
            say(why);
        }
        rows.push((mutation, verdict, seconds));
    }
    scratch.restore()?;
    Ok(report(rows))
}

/// Prints the table and answers whether all were noticed.
fn report(mut rows: Vec<(&Mutation, Verdict, f64)>) -> bool {
    rows.sort_by_key(|row| (&row.0.trap, &row.0.place));
    say("\n| trap | file | result | seconds |\n|---|---|---|---|");
    for (mutation, verdict, seconds) in &rows {
        let files: Vec<&str> = mutation.edits.iter().map(|edit| edit.file.as_str()).collect();
        say(&format!("| {} | {} | {verdict} | {seconds:.1} |", mutation.trap, files.join(", ")));
    }
    let noticed = rows.iter().filter(|row| matches!(row.1, Verdict::Noticed | Verdict::Hung)).count();
    say(&format!("\n{noticed} of {} mutations were noticed", rows.len()));
    noticed == rows.len()
}

impl Scratch {
    /// The copy, brought to what the tree holds now. Only files that differ are written, so that a second round builds
    /// little.
    fn new(root: &Path, target: Option<PathBuf>) -> Result<Self, String> {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutate");
        let (tree, target) = (place.join("tree"), target.unwrap_or_else(|| place.join("target")));
        fs::create_dir_all(&place).map_err(|why| why.to_string())?;
        let changed = git(root, &["stash", "create"])?;
        let commit = if changed.is_empty() { git(root, &["rev-parse", "HEAD"])? } else { changed };
        if tree.join(".git").exists() {
            git(&tree, &["checkout", "--quiet", "--force", "--detach", &commit])?;
        } else {
            git(root, &["worktree", "prune"])?;
            git(root, &["worktree", "add", "--quiet", "--detach", &tree.to_string_lossy(), &commit])?;
        }
        Ok(Self { tree, target, mutated: Vec::new(), originals: BTreeMap::new(), programs: BTreeMap::new() })
    }

    /// Whether a test passes as things are.
    fn passes(&mut self, test: &Test) -> Result<Result<(), String>, String> {
        let program = match self.build(test)? {
            Ok(program) => program,
            Err(complaint) => return Err(format!("{} does not compile:\n{complaint}", test.package)),
        };
        let told = match self.run(test, &program)? {
            Ended::Passed => return Ok(Ok(())),
            Ended::Failed => "its test fails without it",
            Ended::Hung => "its test does not end without it",
            Ended::NothingRan => "there is no such test",
        };
        Ok(Err(format!("  {told}: {} {} {}", test.package, test.target, test.name)))
    }

    /// Tries one mutation, which then stays until the next.
    fn judge(&mut self, mutation: &Mutation) -> Result<Verdict, String> {
        if self.mutated != mutation.edits {
            self.restore()?;
            if let Err(why) = self.mutate(&mutation.edits)? {
                self.restore()?;
                return Ok(Verdict::Error(format!("  {why}")));
            }
            self.mutated.clone_from(&mutation.edits);
        }
        let program = match self.build(&mutation.test)? {
            Ok(program) => program,
            Err(complaint) => return Ok(Verdict::Error(format!("  it does not compile:\n{complaint}"))),
        };
        Ok(match self.run(&mutation.test, &program)? {
            Ended::Passed => Verdict::Survived,
            Ended::Failed => Verdict::Noticed,
            Ended::Hung => Verdict::Hung,
            Ended::NothingRan => Verdict::Error("  no test ran".to_owned()),
        })
    }

    fn mutate(&mut self, edits: &[Edit]) -> Result<Result<(), String>, String> {
        self.programs.clear();
        for edit in edits {
            let path = self.tree.join(&edit.file);
            let text = fs::read_to_string(&path).map_err(|why| format!("{}: {why}", edit.file))?;
            match edit.apply(&text) {
                Ok(changed) => fs::write(&path, changed).map_err(|why| why.to_string())?,
                Err(why) => return Ok(Err(why)),
            }
            self.originals.entry(path).or_insert(text);
        }
        Ok(Ok(()))
    }

    /// Puts back what was mutated.
    fn restore(&mut self) -> Result<(), String> {
        self.mutated.clear();
        self.programs.clear();
        for (path, text) in std::mem::take(&mut self.originals) {
            fs::write(path, text).map_err(|why| why.to_string())?;
        }
        Ok(())
    }

    /// A test program of the tree as it is, built at most once.
    fn build(&mut self, test: &Test) -> Result<Result<String, String>, String> {
        let name = (test.package.clone(), test.target.clone());
        if let Some(built) = self.programs.get(&name) {
            return Ok(built.clone());
        }
        let built = self.compile(test)?;
        self.programs.insert(name, built.clone());
        Ok(built)
    }

    /// Builds a test program and answers where it is, or what the compiler says.
    fn compile(&self, test: &Test) -> Result<Result<String, String>, String> {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--locked", "--no-run", "--message-format=json", "-p", &test.package]);
        match test.target.as_str() {
            "lib" => cargo.arg("--lib"),
            target => cargo.args(["--test", target]),
        };
        // What runs one test does not repay being optimised.
        for crate_name in OPTIMISED {
            cargo.arg("--config").arg(format!("profile.dev.package.{crate_name}.opt-level=0"));
        }
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        let output = cargo.output().map_err(|why| format!("cargo: {why}"))?;
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
        let messages: Vec<serde_json::Value> = messages.collect();
        if output.status.success() {
            let program = messages.iter().rev().find_map(|message| message["executable"].as_str());
            return Ok(program.map(str::to_owned).ok_or_else(|| "cargo built nothing".to_owned()));
        }
        let errors = messages.iter().filter(|message| message["message"]["level"] == "error");
        let rendered: Vec<&str> =
            errors.filter_map(|message| message["message"]["rendered"].as_str()).collect();
        let mut complaint = rendered.join("\n");
        if complaint.is_empty() {
            complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        let lines: Vec<&str> = complaint.lines().take(COMPLAINT_LINES).collect();
        Ok(Err(lines.join("\n")))
    }

    /// Runs the test alone.
    fn run(&self, test: &Test, program: &str) -> Result<Ended, String> {
        let output = self.target.join("mutate-output.txt");
        let file = fs::File::create(&output).map_err(|why| why.to_string())?;
        let mut command = Command::new(program);
        command.arg(&test.name).current_dir(self.tree.join("crates").join(&test.package));
        command.stdout(file).stderr(Stdio::null()).stdin(Stdio::null());
        let recordings = mutation::root().join("../shared/recordings");
        if recordings.exists() {
            command.env("BMCWATCH_RECORDINGS", recordings);
        }
        let mut child = command.spawn().map_err(|why| format!("{program}: {why}"))?;
        #[expect(clippy::disallowed_methods, reason = "another process runs in real time")]
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(|why| why.to_string())? {
                break status;
            }
            if begun.elapsed() > TEST_TIME_MAX {
                child.kill().and_then(|()| child.wait()).map_err(|why| why.to_string())?;
                return Ok(Ended::Hung);
            }
            thread::sleep(LOOK_EVERY);
        };
        if !status.success() {
            return Ok(Ended::Failed);
        }
        let told = fs::read_to_string(&output).map_err(|why| why.to_string())?;
        Ok(if told.contains("running 0 tests") { Ended::NothingRan } else { Ended::Passed })
    }
}

/// What git says, without the last end of line.
fn git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(directory).args(arguments).output();
    let output = output.map_err(|why| format!("git: {why}"))?;
    if !output.status.success() {
        return Err(format!("git {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn say(line: &str) {
    // Nobody who reads it is left when this fails.
    drop(writeln!(io::stdout(), "{line}"));
}
