//! A daemon's clock that can be stepped while it runs: libfaketime before the C library, told by a file. The monotonic clock
//! is left alone.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::TimeDelta;
use model::Clock;

/// Where Debian's and Fedora's packages put the library.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// The clock of daemons that are started with its environment.
pub(crate) struct SteppedClock {
    file: PathBuf,
    seconds: Arc<AtomicI64>,
}

impl SteppedClock {
    /// One that is right so far, with the variables for the daemon; nothing where the library is not installed.
    pub(crate) fn new(file: PathBuf) -> Option<(Self, Vec<(&'static str, String)>)> {
        let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists())?;
        let environment = vec![
            ("LD_PRELOAD", library.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            // Times of files are the kernel's affair.
            ("NO_FAKE_STAT", "1".to_owned()),
            // Seconds between two looks at the file.
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ];
        let clock = Self { file, seconds: Arc::default() };
        clock.write();
        Some((clock, environment))
    }

    fn write(&self) {
        let seconds = self.seconds.load(Ordering::Relaxed);
        // Renamed, so that nobody reads the half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("the directory is ours");
        fs::rename(&new, &self.file).expect("the directory is ours");
    }

    /// Steps it.
    pub(crate) fn step(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
        self.write();
    }

    /// Removes what the library of a process leaves behind that was killed; the next with its number would trip over it.
    pub(crate) fn bury(process: u32) {
        for left in [format!("faketime_shm_{process}"), format!("sem.faketime_sem_{process}")] {
            // Nothing is left where another version keeps nothing there.
            drop(fs::remove_file(Path::new("/dev/shm").join(left)));
        }
    }

    /// What it shows.
    pub(crate) fn shown(&self) -> Clock {
        let (right, seconds) = (Clock::system(), Arc::clone(&self.seconds));
        Clock::from_fn(move || right.now() + TimeDelta::seconds(seconds.load(Ordering::Relaxed)))
    }
}
