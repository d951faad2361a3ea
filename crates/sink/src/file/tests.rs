//! The file writer with real files, without a journal.

use std::fs;

use super::*;

fn stored(position: Position) -> Stored {
    Stored { position, at_ms: 0, bytes: br#"{"x":"0123456789"}"#.to_vec() }
}

fn line(position: Position) -> String {
    format!("{{\"schema\":1,\"position\":{position},\"x\":\"0123456789\"}}\n")
}

fn config(directory: &tempfile::TempDir, max_size: u64) -> FileConfig {
    FileConfig::new(directory.path().join("records.jsonl"), max_size, 3)
}

fn write(config: &FileConfig, positions: std::ops::RangeInclusive<Position>) -> OpenFile {
    let batch: Vec<Stored> = positions.map(stored).collect();
    let (open, _) = open_file(config).unwrap();
    write_batch(config, open, batch.iter()).unwrap()
}

#[test]
fn lines_are_appended_to_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(&directory, 1000);
    write(&config, 1..=1);
    write(&config, 2..=3);
    assert_eq!(fs::read_to_string(&config.path).unwrap(), [line(1), line(2), line(3)].concat());
}

#[test]
fn a_line_that_a_crash_cut_is_removed_before_the_next_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(&directory, 1000);
    fs::write(&config.path, [line(1).as_str(), "{\"schema\":1,\"pos"].concat()).unwrap();
    write(&config, 2..=2);
    assert_eq!(fs::read_to_string(&config.path).unwrap(), [line(1), line(2)].concat());
}

#[test]
fn a_batch_is_spread_over_files_by_whole_lines() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(&directory, 2 * line(1).len() as u64);
    write(&config, 1..=5);
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(text(&config.path), line(5));
    assert_eq!(text(&rotation::rotated(&config.path, 1)), [line(3), line(4)].concat());
    assert_eq!(text(&rotation::rotated(&config.path, 2)), [line(1), line(2)].concat());
}

#[test]
fn a_line_longer_than_a_file_may_be_is_still_written_whole() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(&directory, 5);
    write(&config, 1..=2);
    assert_eq!(fs::read_to_string(&config.path).unwrap(), line(2));
    assert_eq!(fs::read_to_string(rotation::rotated(&config.path, 1)).unwrap(), line(1));
}

#[test]
fn a_file_that_was_moved_or_replaced_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(&directory, 1000);
    let open = write(&config, 1..=1).still_at(&config.path).expect("nobody touched it");
    fs::rename(&config.path, directory.path().join("moved")).unwrap();
    assert!(open.still_at(&config.path).is_none());
    let open = write(&config, 2..=2);
    fs::remove_file(&config.path).unwrap();
    fs::write(&config.path, "another\n").unwrap();
    assert!(open.still_at(&config.path).is_none());
}

#[test]
fn a_full_disk_leaves_no_part_of_a_line_and_names_its_cause() {
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
    let mut open = OpenFile { file: full, length: 0, begun_ms: None };
    let config = FileConfig::new(PathBuf::from("/dev/full"), 1000, 3);
    let error = open.append(&config, b"line\n").unwrap_err();
    assert!(matches!(&error, FileError::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull));
    assert_eq!(
        crate::chain::Chain(&error).to_string(),
        "append to /dev/full: No space left on device (os error 28)"
    );
    assert_eq!(open.length, 0);
}

#[test]
fn a_file_holds_no_records_that_lie_further_apart_than_it_may() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(&directory, 1000);
    config.rotate_every = Some(Duration::from_secs(10));
    let at = |position, at_ms| Stored { at_ms, ..stored(position) };
    let batch = [at(1, 5_000), at(2, 14_999), at(3, 15_000), at(4, 1_000), at(5, 24_999), at(6, 99_000)];
    let (open, _) = open_file(&config).unwrap();
    write_batch(&config, open, batch.iter()).unwrap();
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(text(&rotation::rotated(&config.path, 2)), [line(1), line(2)].concat());
    // A clock that was set back begins no file.
    assert_eq!(text(&rotation::rotated(&config.path, 1)), [line(3), line(4), line(5)].concat());
    assert_eq!(text(&config.path), line(6));
}

#[test]
fn renamed_files_are_packed_behind_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(&directory, line(1).len() as u64);
    (config.packing, config.sync) = (Packing::Gzip, Sync::Never);
    write(&config, 1..=5);
    let names = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["records.jsonl", "records.jsonl.1", "records.jsonl.2.gz", "records.jsonl.3.gz"]);
    assert_eq!(fs::read_to_string(rotation::rotated(&config.path, 1)).unwrap(), line(4));
    // What was packed before another packing was chosen moves up as it is.
    config.packing = Packing::Zstd;
    write(&config, 6..=6);
    assert_eq!(names(), ["records.jsonl", "records.jsonl.1", "records.jsonl.2.zst", "records.jsonl.3.gz"]);
    let packed = |name: &str| File::open(directory.path().join(name)).unwrap();
    let text = |mut from: Box<dyn io::Read>| {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(text(Box::new(zstd::Decoder::new(packed("records.jsonl.2.zst")).unwrap())), line(4));
    assert_eq!(text(Box::new(flate2::read::GzDecoder::new(packed("records.jsonl.3.gz")))), line(3));
}
