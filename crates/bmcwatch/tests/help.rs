//! The help texts, whole, so that a change to the command line shows in review. `UPDATE_GOLDEN=1` rewrites them.

use std::{env, fs, path::Path};

use bmcwatch::cli::{Cli, Endpoints as Asked};
use clap::{Command, CommandFactory, Parser};

/// The help of a command and of every command below it.
fn pages(mut command: Command, name: &str, pages: &mut Vec<(String, String)>) {
    pages.push((name.to_owned(), command.render_long_help().to_string()));
    for sub in command.get_subcommands().cloned().collect::<Vec<_>>() {
        let name = format!("{name}-{}", sub.get_name());
        self::pages(sub, &name, pages);
    }
}

#[test]
fn the_help_texts_are_the_committed_ones() {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut texts = Vec::new();
    pages(command, "bmcwatch", &mut texts);
    assert_eq!(texts.len(), 20, "one for the program and one for each command");
    for (name, text) in texts {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/help").join(format!("{name}.txt"));
        #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
        if env::var("UPDATE_GOLDEN").is_ok() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(expected == text, "{} differs (UPDATE_GOLDEN=1 rewrites it); now:\n{text}", path.display());
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn run_is_the_default_and_the_config_path_may_stand_anywhere() {
    use bmcwatch::cli::{
        Ask::Endpoints,
        Command::{Ask, Run},
    };
    for (arguments, path, expected) in [
        (&["bmcwatch"][..], "/etc/bmcwatch/bmcwatch.toml", Run),
        (&["bmcwatch", "--config", "x"], "x", Run),
        (&["bmcwatch", "run", "--config", "x"], "x", Run),
        (&["bmcwatch", "--config", "x", "endpoints"], "x", Ask(Endpoints(Asked::default()))),
    ] {
        let (config, command) = Cli::try_parse_from(arguments).unwrap().asked();
        assert_eq!((config.as_path(), command), (Path::new(path), expected), "{arguments:?}");
    }
}

#[test]
fn a_login_at_the_daemon_is_given_whole_or_not_at_all() {
    for half in [["--username", "ada"], ["--password-file", "x"], ["--cert-file", "x"], ["--key-file", "x"]] {
        let asked = Cli::try_parse_from(["bmcwatch", "endpoints"].into_iter().chain(half));
        assert_eq!(asked.unwrap_err().kind(), clap::error::ErrorKind::MissingRequiredArgument, "{half:?}");
    }
}
