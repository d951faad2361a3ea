//! The ends of a file of JSON lines: where its last whole line ends, which record that line is, and when the first one was
//! observed.
//!
//! Files are read from their ends in blocks, so a file of any size opens in the same time.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
};

use journal::Position;
use model::{Uid, codec};

/// One read at the end: nearly always the whole last line.
const BLOCK_BYTES: u64 = 64 << 10;
/// No record is longer (the BMC's JSON is capped well below); a longer line is not ours.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// What the last whole line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastLine {
    pub(super) position: Position,
    pub(super) uid: Uid,
}

/// Cuts off what stands after the last line feed; the length that remains.
pub(super) fn cut_torn_line(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let whole = line_start(file, length, 0)?;
    if whole < length {
        file.set_len(whole)?;
        file.sync_data()?;
    }
    Ok(whole)
}

/// The last line of a file whose whole lines are `length` bytes long; `None` when it is not one of our lines.
pub(super) fn last_line(file: &File, length: u64) -> io::Result<Option<LastLine>> {
    let Some(end) = length.checked_sub(1) else { return Ok(None) };
    let start = line_start(file, end, end.saturating_sub(LINE_BYTES_MAX))?;
    let mut line = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
    file.read_exact_at(&mut line, start)?;
    Ok(codec::read_line(&line).ok().map(|(position, record)| LastLine { position, uid: record.uid }))
}

/// The same for a file that need not exist.
pub(super) fn last_line_of(path: &Path) -> io::Result<Option<LastLine>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let whole = line_start(&file, file.metadata()?.len(), 0)?;
    last_line(&file, whole)
}

/// When the first record of a file was observed, in milliseconds since 1970; `None` when it has none.
pub(super) fn first_observed_ms(path: &Path) -> io::Result<Option<i64>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line)?;
    Ok(codec::read_line(&line).ok().map(|(_, record)| record.observed_at.timestamp_millis()))
}

/// Where the line that ends at `end` begins: after the last line feed before `end`, or at `floor` when there is none.
fn line_start(file: &File, end: u64, floor: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut upper = end;
    while upper > floor {
        let lower = upper.saturating_sub(BLOCK_BYTES).max(floor);
        block.resize(usize::try_from(upper - lower).map_err(io::Error::other)?, 0);
        file.read_exact_at(&mut block, lower)?;
        if let Some(found) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(lower + found as u64 + 1);
        }
        upper = lower;
    }
    Ok(floor)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[track_caller]
    fn check(text: &str, remains: u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        assert_eq!(cut_torn_line(&file).unwrap(), remains);
        assert_eq!(file.metadata().unwrap().len(), remains);
    }

    #[test]
    fn a_torn_last_line_is_cut_off() {
        check("", 0);
        check("torn", 0);
        check("whole\n", 6);
        check("whole\ntorn", 6);
        check(&format!("whole\n{}", "t".repeat(200_000)), 6);
        check(&format!("{}\nt", "w".repeat(200_000)), 200_001);
    }

    #[test]
    fn a_file_that_is_not_ours_has_no_last_line() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello\nworld\n").unwrap();
        assert_eq!(last_line(&file, 12).unwrap(), None);
        assert_eq!(last_line(&file, 0).unwrap(), None);
    }

    #[test]
    fn a_file_that_does_not_exist_has_no_last_line() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(last_line_of(&directory.path().join("none")).unwrap(), None);
    }
}
