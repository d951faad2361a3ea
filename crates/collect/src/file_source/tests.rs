//! What comes of files that change, go, come, and break, look by look.

use std::os::unix::fs::symlink;

use super::*;

struct Stage {
    directory: tempfile::TempDir,
    source: FileSource,
}

impl Stage {
    fn new(patterns: &[&str]) -> Self {
        Self::continued(patterns, &TargetList::default())
    }

    fn continued(patterns: &[&str], last: &TargetList) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pattern = |name: &&str| FilePattern::of(directory.path().join(name).to_str().unwrap()).unwrap();
        let source = FileSource::new(patterns.iter().map(pattern).collect(), last);
        Self { directory, source }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, targets: &str) {
        let targets: Vec<String> = targets.split_whitespace().map(|target| format!("{target:?}")).collect();
        fs::write(self.path(name), format!("[{{\"targets\": [{}]}}]", targets.join(","))).unwrap();
    }

    /// The targets after a look, and what is told: `!` unusable, `+` usable, `?` missing, with the name of the file.
    fn look(&mut self, how: Looking) -> (String, String) {
        let look = self.source.look(how);
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let news = look.news.iter().map(|news| match news {
            FileNews::Unusable(path, problem) => {
                assert!(!problem.is_empty());
                format!("!{}", name(path))
            }
            FileNews::Usable(path) => format!("+{}", name(path)),
            FileNews::Missing(path) => format!("?{}", name(path)),
        });
        let groups = look.list.0.iter().flat_map(|part| part.groups.iter());
        let targets: Vec<&str> = groups.flat_map(|group| &group.targets).map(String::as_str).collect();
        (targets.join(" "), news.collect::<Vec<_>>().join(" "))
    }

    fn check(&mut self, targets: &str, news: &str) {
        assert_eq!(self.look(Looking::Quick), (targets.to_owned(), news.to_owned()));
    }
}

#[test]
fn files_are_read_in_the_order_of_their_names_and_again_when_they_change() {
    let mut stage = Stage::new(&["*.json", "one"]);
    stage.write("b.json", "b");
    stage.write("a.json", "a1 a2");
    stage.write("one", "one");
    stage.check("a1 a2 b one", "");
    let before = stage.source.list.clone();
    stage.check("a1 a2 b one", "");
    assert!(Arc::ptr_eq(&before.0, &stage.source.list.0), "an unchanged list is made anew");
    // The same again under another inode.
    stage.write("new", "b");
    fs::rename(stage.path("new"), stage.path("b.json")).unwrap();
    stage.check("a1 a2 b one", "");
    assert!(Arc::ptr_eq(&before.0, &stage.source.list.0), "an equal list is made anew");
    stage.write("c.json", "c");
    stage.write("b.json", "b2");
    stage.check("a1 a2 b2 c one", "");
}

#[test]
fn a_link_that_is_moved_is_followed() {
    let mut stage = Stage::new(&["*.json"]);
    for version in ["1", "2"] {
        fs::create_dir(stage.path(version)).unwrap();
        stage.write(&format!("{version}/bmcs.json"), version);
    }
    symlink("1", stage.path("..data")).unwrap();
    symlink("..data/bmcs.json", stage.path("bmcs.json")).unwrap();
    stage.check("1", "");
    symlink("2", stage.path("..tmp")).unwrap();
    fs::rename(stage.path("..tmp"), stage.path("..data")).unwrap();
    stage.check("2", "");
}

#[test]
fn a_change_that_leaves_no_trace_is_found_when_all_is_read() {
    let mut stage = Stage::new(&["a"]);
    stage.write("a", "x");
    stage.check("x", "");
    // As if the server of a network file system had said nothing.
    stage.write("a", "y");
    let stamp = Stamp::of(&fs::metadata(stage.path("a")).unwrap());
    let path = stage.path("a");
    stage.source.known.get_mut(&path).unwrap().stamp = Some(stamp);
    stage.check("x", "");
    assert_eq!(stage.look(Looking::Whole).0, "y");
}

#[test]
fn a_file_that_cannot_be_used_keeps_its_list_and_is_told_once() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.write("a", "a");
    stage.write("b", "b");
    stage.check("a b", "");
    // Half written, then whole: nobody hears of it.
    fs::write(stage.path("a"), "[{\"targets\": [\"").unwrap();
    stage.check("a b", "");
    stage.write("a", "a2");
    stage.check("a2 b", "");
    fs::write(stage.path("a"), "not a list").unwrap();
    stage.check("a2 b", "");
    stage.write("b", "b2");
    stage.check("a2 b2", "!a");
    stage.check("a2 b2", "");
    assert_eq!(stage.source.look(Looking::Whole).failures.len(), 1);
    stage.write("a", "a3");
    stage.check("a3 b2", "+a");
    fs::remove_file(stage.path("a")).unwrap();
    fs::create_dir(stage.path("a")).unwrap();
    stage.check("a3 b2", "");
    stage.check("a3 b2", "!a");
}

#[test]
fn a_file_that_is_away_for_one_look_was_replaced_and_for_two_is_gone() {
    let mut stage = Stage::new(&["*.json", "one"]);
    stage.write("a.json", "a");
    stage.write("one", "one");
    stage.check("a one", "");
    fs::remove_file(stage.path("a.json")).unwrap();
    fs::remove_file(stage.path("one")).unwrap();
    stage.check("a one", "?*.json ?one");
    stage.write("one", "one again");
    stage.check("one again", "");
    fs::remove_file(stage.path("one")).unwrap();
    stage.check("one again", "?one");
    stage.check("", "");
}

#[test]
fn a_file_that_is_broken_at_the_start_has_the_list_of_the_last_life() {
    let last = |directory: &Path| {
        let part = |name: &str| TargetPart {
            origin: directory.join(name).display().to_string().into(),
            groups: [TargetGroup { targets: vec![format!("last-{name}")], labels: BTreeMap::new() }].into(),
        };
        TargetList([part("a"), part("b"), part("c")].into())
    };
    let mut stage = Stage::new(&["a", "b"]);
    stage.source = FileSource::new(stage.source.patterns.clone(), &last(stage.directory.path()));
    fs::write(stage.path("a"), "broken").unwrap();
    stage.write("b", "b");
    // The third is in no pattern any more.
    stage.check("last-a b last-c", "");
    stage.check("last-a b", "!a");
}

#[test]
fn what_is_larger_than_any_list_is_not_read() {
    let mut stage = Stage::new(&["a"]);
    let file = File::create(stage.path("a")).unwrap();
    file.set_len(LIST_BYTES_MAX as u64 + 1).unwrap();
    let failures = stage.source.look(Looking::Quick).failures;
    assert_eq!(failures[0].1, format!("has more than {LIST_BYTES_MAX} bytes"));
}

#[test]
fn more_files_or_targets_than_any_fleet_change_nothing() {
    let mut stage = Stage::new(&["*.json"]);
    (stage.source.files_max, stage.source.targets_max) = (3, 4);
    stage.write("a.json", "a");
    stage.check("a", "");
    stage.write("b.json", "b c");
    stage.write("c.json", "d e");
    stage.check("a", "!*.json");
    stage.check("a", "");
    stage.write("c.json", "d");
    stage.check("a b c d", "");
    stage.write("d.json", "");
    stage.check("a b c d", "!*.json");
    stage.check("a b c d", "");
    fs::remove_file(stage.path("d.json")).unwrap();
    stage.write("c.json", "x");
    stage.check("a b c x", "");
}
