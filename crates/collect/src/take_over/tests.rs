//! State files as infra-controller writes them, and as nobody should.

use std::{fs, os::unix::fs::symlink};

use model::EndpointId;

use super::*;

const LOG: &str = "/redfish/v1/Systems/1/LogServices/EventLog";

fn endpoint(id: &str, machine_id: Option<&str>) -> Endpoint {
    let labels = machine_id.map(|value| (LABEL.to_owned(), value.to_owned())).into_iter().collect();
    Endpoint { id: EndpointId::try_from(id).unwrap(), address: "https://a".to_owned(), labels }
}

#[track_caller]
fn resolves(template: &str, id: &str, machine_id: Option<&str>, expected: &str) {
    let file = state_file(Path::new(template), &endpoint(id, machine_id)).unwrap();
    assert_eq!(file, Path::new(expected));
}

#[test]
fn the_machine_is_named_by_its_label_else_by_its_id() {
    resolves("/s/logs_{machine_id}.json", "r17-u12", Some("fm100ht"), "/s/logs_fm100ht.json");
    resolves("/s/logs_{machine_id}.json", "r17-u12", None, "/s/logs_r17-u12.json");
    resolves("/s/{machine_id}/{machine_id}.json", "fd00::12", None, "/s/fd00::12/fd00::12.json");
    resolves("/s/state.json", "r17-u12", Some("../.."), "/s/state.json");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_leads_out_of_the_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(directory.path().join("secret.json"), written(7)).unwrap();
    for id in ["../secret", "/etc/x", "a/b", "..", ".", "a\\b", "a\nb", "a\0b", ""] {
        let takes = TakeOver::of(Some(&inside.join("{machine_id}.json")), &endpoint("r17-u12", Some(id)));
        assert!(matches!(&takes.file, Some(Err(StateFileError::MachineId(named))) if named == id), "{id:?}");
        assert_eq!(takes.last_seen(LOG).await, None, "{id:?}");
    }
}

fn written(number: i64) -> String {
    format!("{{\"last_seen_ids\":{{\"{LOG}\":{number}}}}}")
}

/// What a file with this text says of the log.
async fn says(text: impl AsRef<[u8]>) -> Option<u64> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    TakeOver::of(Some(file.path()), &endpoint("r17-u12", None)).last_seen(LOG).await
}

#[tokio::test(start_paused = true)]
async fn a_log_is_found_under_every_spelling_of_its_path() {
    assert_eq!(says(written(4711)).await, Some(4711));
    for spelling in [
        "/redfish/v1/Systems/1/LogServices/EventLog/",
        "/redfish/v1/Systems/1/LogServices/EventLog/Entries",
        "/redfish/v1/systems/1/logservices/eventlog/entries/",
        "https://10.0.0.1:8443/redfish/v1/Systems/1/LogServices/EventLog/Entries",
    ] {
        assert_eq!(says(written(3).replace(LOG, spelling)).await, Some(3), "{spelling}");
    }
    let within = "/redfish/v1/a://b/redfish/v1/Systems/1/LogServices/EventLog";
    assert_eq!(says(written(3).replace(LOG, within)).await, None, "found by fuzzing: another log");
    let both = format!("{{\"last_seen_ids\":{{\"{LOG}\":9,\"{LOG}/Entries\":5}}}}");
    assert_eq!(says(both).await, Some(5), "of two the one that cannot lose");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_says_nothing_of_a_log_is_no_starting_point() {
    assert_eq!(says(written(3).replace("EventLog", "Sel")).await, None);
    assert_eq!(says("{\"last_seen_ids\":{}}").await, None);
    assert_eq!(says(written(-1)).await, None, "nothing seen yet");
    assert_eq!(TakeOver::of(None, &endpoint("r17-u12", None)).last_seen(LOG).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_once_and_an_absent_one_is_looked_for_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("r17-u12");
    let template = directory.path().join("{machine_id}");
    let absent = TakeOver::of(Some(&template), &endpoint("r17-u12", None));
    assert_eq!(absent.last_seen(LOG).await, None);
    fs::write(&file, written(1)).unwrap();
    assert_eq!(absent.last_seen(LOG).await, None, "written later, it is not ours to take over");
    let present = TakeOver::of(Some(&template), &endpoint("r17-u12", None));
    assert_eq!(present.last_seen(LOG).await, Some(1));
    fs::write(&file, written(2)).unwrap();
    assert_eq!(present.last_seen(LOG).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_hostile_file_is_refused_and_not_quoted() {
    let cases = [
        ("", "the end of the text in line 1, column 0"),
        ("{\"last_seen_ids\":\n{\"a\":1}", "the end of the text in line 2,"),
        ("root:$6$hunter2:1", "no JSON in line 1,"),
        ("\"hunter2\"", "an unexpected value in line 1,"),
        ("{\"last_seen_ids\":{\"a\":\"hunter2\"}}", "an unexpected value in line 1,"),
        ("{\"last_seen_ids\":{\"a\":1.5}}", "an unexpected value in line 1,"),
        ("{\"last_seen_ids\":{\"a\":1e400}}", "no JSON in line 1,"),
        ("{\"last_seen_ids\":[\"hunter2\"]}", "an unexpected value in line 1,"),
        ("{\"hunter2\":{}}", "an unexpected value in line 1,"),
        ("{\"last_seen_ids\":{\"a\":99999999999999999999}}", "an unexpected value in line 1,"),
    ];
    for (text, expected) in cases {
        let refused = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("understand the state file: {expected}")), "{text}: {refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
        assert_eq!(says(text).await, None, "{text}");
    }
    assert_eq!(says([0xff; 64]).await, None);
    assert_eq!(says("[".repeat(100_000)).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_small_regular_file_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(read(directory.path()).await, Err(StateFileError::NotAFile)));
    let device = directory.path().join("device");
    symlink("/dev/zero", &device).unwrap();
    assert!(matches!(read(&device).await, Err(StateFileError::NotAFile)));
    let large = directory.path().join("large");
    let blank = " ".repeat(usize::try_from(STATE_FILE_BYTES_MAX).unwrap() - written(1).len());
    fs::write(&large, written(1) + &blank).unwrap();
    assert_eq!(read(&large).await.unwrap().len(), 1);
    fs::write(&large, written(1) + &blank + " ").unwrap();
    assert!(matches!(read(&large).await, Err(StateFileError::TooLarge)));
    let looped = directory.path().join("looped");
    symlink(&looped, &looped).unwrap();
    assert!(matches!(read(&looped).await, Err(StateFileError::Read(_))));
}

/// To open a pipe waits for its writer.
#[tokio::test(start_paused = true)]
async fn a_pipe_does_not_stop_the_collector() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(matches!(read(&pipe).await, Err(StateFileError::NotAFile)));
}
