//! Server-sent events as our own daemon sends them, taken apart as they come. Pure.
//!
//! Not here: the streams of BMCs, which are another matter (crate `redfish`).

use anyhow::{Context, ensure};

/// No record is longer: the daemon limits what it takes from a BMC.
const LINE_BYTES_MAX: usize = 64 << 20;

/// What has come and is not complete yet.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    rest: Vec<u8>,
    event: String,
    data: String,
    id: Option<String>,
}

/// What is complete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// JSON lines.
    pub(super) records: Vec<String>,
    /// Events with a name, and their data.
    pub(super) notices: Vec<(String, String)>,
    /// Where to go on from, if that has moved.
    pub(super) last: Option<String>,
}

impl Incoming {
    pub(super) fn take(&mut self, chunk: &[u8]) -> anyhow::Result<Said> {
        let mut said = Said::default();
        self.rest.extend_from_slice(chunk);
        let mut start = 0;
        while let Some(end) = self.rest[start..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8(self.rest[start..start + end].to_vec());
            self.line(&line.context("the daemon sends what is no text")?, &mut said);
            start += end + 1;
        }
        self.rest.drain(..start);
        ensure!(self.rest.len() <= LINE_BYTES_MAX, "the daemon sends a line without an end");
        Ok(said)
    }

    fn line(&mut self, line: &str, said: &mut Said) {
        if line.is_empty() {
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            said.last = self.id.take().or(said.last.take());
            match (event.is_empty(), data.is_empty()) {
                (true, true) => {}
                (true, false) => said.records.push(data),
                (false, _) => said.notices.push((event, data)),
            }
            return;
        }
        let (field, value) = line.split_once(": ").unwrap_or((line, ""));
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event),
            "data" => value.clone_into(&mut self.data),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "retry: 2000\n\nid: 7\ndata: {\"a\":\"é\"}\n\n: keep-alive\nid: 9\n\nevent: end\ndata: {\"reason\":\"slow\"}\n\n";

    #[test]
    fn what_comes_is_taken_apart_wherever_it_is_cut() {
        let expected = Said {
            records: vec!["{\"a\":\"é\"}".to_owned()],
            notices: vec![("end".to_owned(), "{\"reason\":\"slow\"}".to_owned())],
            last: Some("9".to_owned()),
        };
        for size in 1..=SENT.len() {
            let (mut incoming, mut all) = (Incoming::default(), Said::default());
            for chunk in SENT.as_bytes().chunks(size) {
                let said = incoming.take(chunk).unwrap();
                all.records.extend(said.records);
                all.notices.extend(said.notices);
                all.last = said.last.or(all.last);
            }
            assert_eq!(all, expected, "{size}");
        }
    }

    #[test]
    fn the_place_moves_only_with_a_complete_event() {
        let mut incoming = Incoming::default();
        assert_eq!(incoming.take(b"id: 7\ndata: x\n").unwrap(), Said::default());
        assert_eq!(incoming.take(b"\n").unwrap().last.as_deref(), Some("7"));
    }
}
