//! `check-config`, `config show` and `--version` as a shell sees them: output, messages and exit codes.

use std::{
    path::Path,
    process::{Command, Output},
};

/// The program in an empty environment, started at the top of the repository.
fn bmcwatch(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bmcwatch"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(root)
        .output()
        .expect("the program was built for this test")
}

/// Exit code, standard output and standard error.
fn said(arguments: &[&str]) -> (i32, String, String) {
    let output = bmcwatch(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
}

#[test]
fn good_files_are_named_with_what_they_hold() {
    let (code, out, errors) =
        said(&["check-config", "--no-secrets", "example/minimal.toml", "example/fleet.toml"]);
    let expected =
        "example/minimal.toml: ok (1 endpoint, 1 sink)\nexample/fleet.toml: ok (3 endpoints, 1 sink)\n";
    assert_eq!((code, out.as_str(), errors.as_str()), (0, expected, ""));
}

#[test]
fn one_bad_file_among_good_ones_decides_the_exit_code() {
    let bad = "crates/bmcwatch/tests/testdata/bad/unknown-key.toml";
    let (code, out, errors) = said(&["check-config", "--no-secrets", bad, "example/minimal.toml"]);
    assert_eq!((code, out.as_str()), (78, "example/minimal.toml: ok (1 endpoint, 1 sink)\n"));
    let expected = format!(
        "{bad}:4:1: endpoints[0].adress: unknown key\n    hint: did you mean \"address\"?\n{bad}: 1 problem\n"
    );
    assert_eq!(errors, expected);
}

#[test]
fn secrets_that_are_not_here_are_a_problem_unless_they_are_waived() {
    let (code, _, errors) = said(&["check-config", "example/minimal.toml"]);
    assert_eq!(code, 78);
    assert!(errors.contains("monitor.password cannot be read"), "{errors}");
}

#[test]
fn without_a_path_the_file_of_config_is_checked() {
    let (code, out, _) = said(&["check-config", "--no-secrets", "--config", "example/minimal.toml"]);
    assert_eq!((code, out.as_str()), (0, "example/minimal.toml: ok (1 endpoint, 1 sink)\n"));
    let (code, _, errors) = said(&["check-config", "--config", "/nowhere/bmcwatch.toml"]);
    assert_eq!(code, 78);
    assert!(errors.contains("is the path right?"), "{errors}");
}

#[test]
fn what_an_endpoint_gets_is_explained_and_an_unknown_one_is_told_its_neighbour() {
    let explain = |id: &str| said(&["check-config", "--no-secrets", "--explain", id, "example/fleet.toml"]);
    let (code, out, errors) = explain("fra1-r17-u12");
    let expected = "\
fra1-r17-u12
  watched      no: `only` or `shard` of [discovery] leave it to others
  credentials  dell: its match fits best, labels = { vendor = \"dell\" }
  username     monitor: [credentials.dell]
  password     ***: in dell
  auth         auto: as by default
  trust        ca:/etc/bmcwatch/bmc-ca.pem: as the endpoint says
  mode         auto: `mode` of [collectors.logs]
";
    assert_eq!((code, out.as_str(), errors.as_str()), (0, expected, ""));
    let (code, out, errors) = explain("fra1-r17-u21");
    let expected =
        "example/fleet.toml: there is no endpoint \"fra1-r17-u21\"; did you mean \"fra1-r17-u12\"?\n";
    assert_eq!((code, out.as_str(), errors.as_str()), (1, "", expected));
    let bad = "crates/bmcwatch/tests/testdata/bad/unknown-key.toml";
    assert_eq!(said(&["check-config", "--no-secrets", "--explain", "x", bad]).0, 78);
}

#[test]
fn warnings_are_shown_and_change_no_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("empty.toml");
    std::fs::write(&file, "").unwrap();
    let (code, _, errors) = said(&["check-config", file.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(errors.starts_with("warning: ") && errors.contains("nothing to watch"), "{errors}");
}

#[test]
fn files_of_sources_are_looked_through_and_what_is_wrong_there_changes_no_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let group = "\"labels\": {\"__bmc_credential\": \"all\"}";
    let targets = format!("[{{\"targets\": [\"bmc-1\", \"bmc-2/redfish\", \"own\"], {group}}}]");
    std::fs::write(path("bmcs.json"), targets).unwrap();
    std::fs::write(path("broken"), "[{]").unwrap();
    let text = format!(
        "[[discovery.file_sd]]\nfiles = [\"{}\", \"{}\", \"{}\"]\n\
         [[discovery.http_sd]]\nurl = \"http://127.0.0.1:1/\"\n\
         [[endpoints]]\naddress = \"https://own\"\ncredentials = \"all\"\n\
         [credentials.all]\nusername = \"u\"\npassword_env = \"X\"\n",
        path("*.json"),
        path("broken"),
        path("missing"),
    );
    std::fs::write(path("config.toml"), text).unwrap();
    let config = path("config.toml");
    let (code, out, errors) = said(&["check-config", "--no-secrets", &config]);
    assert_eq!((code, out), (0, format!("{config}: ok (1 endpoint, 2 in files, 1 sink)\n")));
    for part in [
        format!("warning: {}: file_sd/0: no such file is there\n", path("missing")),
        format!("warning: {}: file_sd/0: failed to read it as a list", path("broken")),
        format!("warning: {}: target \"bmc-2/redfish\": ", path("bmcs.json")),
        "warning: file_sd/0: endpoint \"own\" at https://own: the configuration has".to_owned(),
    ] {
        assert!(errors.contains(&part), "{part} is not in {errors}");
    }
    assert_eq!(errors.matches("warning: ").count(), 4, "{errors}");
    let (code, out, _) = said(&["check-config", "--no-secrets", "--explain", "bmc-1", &config]);
    assert_eq!(code, 0);
    assert!(out.contains("credentials  all: as the endpoint says"), "{out}");
}

#[test]
fn the_shown_config_holds_every_default_and_no_password() {
    let (code, out, _) = said(&["config", "show", "--no-secrets", "--config", "example/minimal.toml"]);
    assert_eq!(code, 0);
    for line in ["connect_failure_threshold = 5", "max_size = \"10GiB\"", "listen = \"127.0.0.1:9632\""] {
        assert!(out.contains(line), "{line} is missing in\n{out}");
    }
}

#[test]
fn the_version_names_the_revision_and_wrong_usage_has_a_code_of_its_own() {
    let (code, out, _) = said(&["--version"]);
    let revision = option_env!("BMCWATCH_REVISION").unwrap_or("unknown");
    assert_eq!((code, out), (0, format!("bmcwatch {} (revision {revision})\n", env!("CARGO_PKG_VERSION"))));
    for wrong in [&["chek-config"][..], &["demo", "--endpoints", "0"], &["simulate", "--listen", "here"]] {
        assert_eq!(said(wrong).0, 2, "{wrong:?}");
    }
}
