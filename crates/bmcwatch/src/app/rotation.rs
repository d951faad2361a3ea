//! Password files of the running config: looked at every two seconds, and a changed password is handed to the endpoints
//! that use it. Nothing is restarted and no stream is cut.
//!
//! Content decides, not the time of a change: that also holds on NFS and where a link is moved (Kubernetes). What two
//! looks in a row agree on counts, so that nothing is made of a file that is just being written. A file that cannot be used
//! keeps the old password and is told once. [`Rotation`] decides, without I/O. Not here: what makes a file usable
//! (`config`), and what a client does with another password (`redfish`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::Secret;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{CONFIG_LINES_MAX, Steering, Tasks};
use crate::config::{Config, PasswordSource, Refusal, SecretFile};

/// Between two looks. Reading a small file takes some microseconds, and whoever changes a password waits for this.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files of a config, by the names of their logins.
pub(super) type Files = Arc<[(String, SecretFile)]>;

/// What a file held at one look.
pub(super) struct Seen {
    name: String,
    file: SecretFile,
    held: Result<Secret, Refusal>,
}

/// Remembers what was seen until it counts.
#[derive(Default)]
pub(super) struct Rotation {
    /// What the last look found other than it is in use.
    last: BTreeMap<String, Result<Secret, Refusal>>,
    /// Logins of which it was told that their file cannot be used.
    told: BTreeSet<String>,
}

/// What has come of a look.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settled {
    changed: BTreeMap<String, Secret>,
    refused: Vec<(String, Refusal)>,
}

pub(super) fn files(config: &Config) -> Files {
    let file = |source: &PasswordSource| match source {
        PasswordSource::File(file) => Some(file.clone()),
        PasswordSource::Variable(_) | PasswordSource::Inline => None,
    };
    config.credentials.iter().filter_map(|one| Some((one.name.clone(), file(&one.source)?))).collect()
}

/// Starts looking. The files can be exchanged; what is seen comes out.
pub(super) fn start(tasks: &mut Tasks, files: Files) -> (watch::Sender<Files>, mpsc::Receiver<Vec<Seen>>) {
    let (files, watched) = watch::channel(files);
    let (found, seen) = mpsc::channel(1);
    let stop = tasks.collectors.stop();
    tasks.collectors.spawn_mortal("password files", look_on(watched, found, stop));
    (files, seen)
}

async fn look_on(
    mut watched: watch::Receiver<Files>,
    found: mpsc::Sender<Vec<Seen>>,
    stop: CancellationToken,
) {
    let looking = async {
        while watched.wait_for(|files| !files.is_empty()).await.is_ok() {
            tokio::time::sleep(LOOK_EVERY).await;
            let files = Arc::clone(&watched.borrow_and_update());
            // A file system that hangs holds up this thread, and nothing else.
            let seen = tokio::task::spawn_blocking(move || look(&files)).await;
            let Ok(seen) = seen else { continue };
            if found.send(seen).await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(looking).await.unwrap_or(());
}

fn look(files: &Files) -> Vec<Seen> {
    let look = |(name, file): &(String, SecretFile)| Seen {
        name: name.clone(),
        file: file.clone(),
        held: file.read(),
    };
    files.iter().map(look).collect()
}

impl Rotation {
    /// What follows from a look, given what is in use.
    fn settle(&mut self, running: &Config, seen: Vec<Seen>) -> Settled {
        let in_use: BTreeMap<&str, _> =
            running.credentials.iter().map(|one| (one.name.as_str(), one)).collect();
        let mut settled = Settled::default();
        for Seen { name, file, held } in seen {
            // Looked at before a reload.
            let Some(one) = in_use.get(name.as_str()).filter(|one| one.source == PasswordSource::File(file))
            else {
                continue;
            };
            if held.as_ref() == Ok(&one.login.password) {
                self.last.remove(&name);
                self.told.remove(&name);
            } else if self.last.get(&name) != Some(&held) {
                self.last.insert(name, held);
            } else {
                match held {
                    Ok(password) => {
                        self.last.remove(&name);
                        self.told.remove(&name);
                        settled.changed.insert(name, password);
                    }
                    Err(refusal) if self.told.insert(name.clone()) => settled.refused.push((name, refusal)),
                    Err(_) => {}
                }
            }
        }
        settled
    }
}

impl Steering {
    /// Hands changed passwords to their endpoints.
    pub(super) fn looked(&mut self, seen: Vec<Seen>) {
        let Settled { changed, refused } = self.rotation.settle(&self.running, seen);
        for (name, Refusal { text, hint }) in refused.iter().take(CONFIG_LINES_MAX) {
            let hint = hint.as_deref();
            tracing::warn!(credentials = name, problem = text, hint, "{REFUSED}");
        }
        if refused.len() > CONFIG_LINES_MAX {
            let more = refused.len() - CONFIG_LINES_MAX;
            tracing::warn!(more, "{REFUSED}");
        }
        if changed.is_empty() {
            return;
        }
        let endpoints = self.running.change_passwords(&changed) + self.inventory.change_passwords(&changed);
        let names: Vec<&str> = changed.keys().map(String::as_str).take(CONFIG_LINES_MAX).collect();
        tracing::info!(
            credentials = names.join(", "),
            changed = changed.len(),
            endpoints,
            "password has changed; it is used from the next login on"
        );
        // Not a reload: only those whose password changed may try again.
        let desired = self.places.census(&mut self.inventory, &self.running);
        self.wish.send_modify(|wish| wish.desired = desired);
    }
}

const REFUSED: &str = "password file cannot be used; the old password stays in use";

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, path::Path};

    use super::*;
    use crate::config::Environment;

    /// Logins `a` and `b` whose passwords are `old`.
    fn running(directory: &Path) -> Config {
        let mut text = String::new();
        for name in ["a", "b"] {
            let path = directory.join(name);
            std::fs::write(&path, "old").unwrap();
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(&path, private).unwrap();
            let path = path.display();
            write!(text, "[credentials.{name}]\nusername = \"u\"\npassword_file = \"{path}\"\n").unwrap();
        }
        Config::parse(Path::new("x"), &text, &Environment::of(BTreeMap::new())).unwrap().0
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    /// Of each look what the file of `a` holds (`!` is a file that cannot be used), and what follows: `=new`, `refused` or
    /// nothing. Changed passwords are taken over.
    fn check(looks: &[(&str, &str)]) {
        let directory = tempfile::tempdir().unwrap();
        let mut running = running(directory.path());
        let files = files(&running);
        assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let mut rotation = Rotation::default();
        for (number, (held, expected)) in looks.iter().enumerate() {
            let seen = |(name, file): &(String, SecretFile)| {
                let held = if name == "b" { "old" } else { held };
                let held = match held.strip_prefix('!') {
                    Some(why) => Err(Refusal::new(why)),
                    None => Ok(secret(held)),
                };
                Seen { name: name.clone(), file: file.clone(), held }
            };
            let settled = rotation.settle(&running, files.iter().map(seen).collect());
            running.change_passwords(&settled.changed);
            let changed = settled.changed.values().map(|password| format!("={}", password.expose()));
            let refused = settled.refused.iter().map(|_| "refused".to_owned());
            let told: Vec<String> = changed.chain(refused).collect();
            assert_eq!(told.join(" "), *expected, "look {number} of {looks:?}");
        }
    }

    #[test]
    fn what_two_looks_agree_on_counts_and_a_bad_file_is_told_once_and_changes_nothing() {
        check(&[("old", ""), ("new", ""), ("new", "=new"), ("new", ""), ("old", ""), ("old", "=old")]);
        // Half written, then whole.
        check(&[("ne", ""), ("new", ""), ("new", "=new")]);
        // Missing while it is exchanged.
        check(&[("!missing", ""), ("new", ""), ("new", "=new")]);
        check(&[("!missing", ""), ("old", ""), ("!missing", ""), ("old", "")]);
        // Bad for good, for one reason and for another, and bad again after it was good.
        let bad = [("!empty", ""), ("!empty", "refused"), ("!empty", ""), ("!open", ""), ("!open", "")];
        let again = [("old", ""), ("!empty", ""), ("!empty", "refused"), ("new", ""), ("new", "=new")];
        check(&[bad, again].concat());
    }

    #[test]
    fn what_was_seen_before_a_reload_is_not_taken_for_the_new_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = running(directory.path());
        let elsewhere = tempfile::tempdir().unwrap();
        let files = files(&running(elsewhere.path()));
        let mut rotation = Rotation::default();
        for _ in 0..3 {
            let seen = |(name, file): &(String, SecretFile)| Seen {
                name: name.clone(),
                file: file.clone(),
                held: Ok(secret("other")),
            };
            assert_eq!(rotation.settle(&config, files.iter().map(seen).collect()), Settled::default());
        }
    }
}
