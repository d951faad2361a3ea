//! Any text is a config or a list of problems; what is one is shown as a config that means the same; and a password is
//! shown by nothing.

#![no_main]

use std::path::Path;

use bmcwatch::config::{Config, Environment};
use libfuzzer_sys::fuzz_target;

/// Stands in a text where the password is to be, so that the fuzzer can move it about.
const PLACE: &str = "PASSWORD";
/// The password: nothing else looks like it, and it is no word of TOML.
const PASSWORD: &str = "Xq7-hunter2-Zw9";

/// Whether the password stands only where passwords belong: it is the operator's who writes it into a label.
fn is_kept_secret(text: &str) -> bool {
    let belongs = |line: &str| {
        let value = line.trim_start().strip_prefix("password").map(str::trim_start);
        value.is_some_and(|value| value.starts_with('='))
    };
    // A label may be called `password`, and a text of several lines may hold such a line.
    let elsewhere = ["labels", "only", "\"\"\"", "'''"].iter().any(|other| text.contains(other));
    !elsewhere && text.lines().filter(|line| line.contains(PASSWORD)).all(belongs)
}

fn check(shown: &str) {
    assert!(!shown.contains(PASSWORD), "{shown}");
}

fuzz_target!(|text: &str| {
    // Files are not read; variables of this process neither.
    let environment = || Environment::of([("PW".to_owned(), PASSWORD.to_owned())].into());
    let text = text.replace(PASSWORD, "").replace(PLACE, PASSWORD);
    let secret = is_kept_secret(&text) && !text.contains("${");
    let reads_files = text.contains("password_file") || text.contains("\\u") || text.contains("\\U");
    let environment = || if reads_files { environment().without_secrets() } else { environment() };
    match Config::parse(Path::new("x.toml"), &text, &environment()) {
        Ok((config, warnings)) => {
            let shown = config.show();
            let again = Config::parse(Path::new("y.toml"), &shown, &environment());
            let (again, _) = again.unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
            assert_eq!(again.show(), shown, "what is shown means the same");
            if secret {
                check(&shown);
                check(&format!("{config:?}"));
                check(&format!("{:?}", config.desired()));
                for warning in warnings {
                    check(&warning.to_string());
                }
            }
        }
        Err(problems) => {
            assert!(!problems.list().is_empty());
            let shown = problems.to_string();
            if secret {
                check(&shown);
            }
        }
    }
});
