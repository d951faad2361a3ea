//! Bodies of every framing, cut everywhere.

use http_body_util::BodyExt;
use proptest::prelude::*;

use super::*;

/// What one end of a connection sends, piece by piece, and then ends.
struct Pieces(Vec<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.0.first_mut() {
            let length = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..length]);
            piece.drain(..length);
        }
        self.0.retain(|piece| !piece.is_empty());
        Poll::Ready(Ok(()))
    }
}

/// The data of a body behind a head with these headers, and how it ended.
fn read(headers: &[(&str, &str)], pieces: Vec<Vec<u8>>) -> (Vec<u8>, Result<(), String>) {
    let head = headers.iter().fold(Response::builder(), |head, (name, value)| head.header(*name, *value));
    let (mut data, pieces) =
        (Vec::new(), Pieces(pieces.into_iter().filter(|piece| !piece.is_empty()).collect()));
    let mut body = match StreamBody::new(pieces, &head.body(()).unwrap(), Vec::new()) {
        Ok(body) => body,
        Err(error) => return (data, Err(error.to_string())),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    while let Some(frame) = runtime.block_on(body.frame()) {
        match frame {
            Ok(frame) => data.extend(frame.into_data().unwrap()),
            Err(error) => return (data, Err(error.to_string())),
        }
    }
    (data, Ok(()))
}

const CHUNKED: (&str, &str) = ("Transfer-Encoding", "chunked");
const CUT_OFF: &str = "unexpected end of file";
const BAD: &str = "a chunk of the response cannot be read";

#[test]
fn each_framing_says_where_a_body_ends() {
    let check = |headers: &[_], sent: &str, data: &str, ended: Result<(), &str>| {
        let read = read(headers, vec![sent.into()]);
        assert_eq!(read, (data.into(), ended.map_err(str::to_owned)), "{headers:?} {sent:?}");
    };
    check(&[], "all of it", "all of it", Ok(()));
    check(&[("Content-Length", "3")], "all of it", "all", Ok(()));
    check(&[("Content-Length", "30")], "all of it", "all of it", Err(CUT_OFF));
    check(&[("Content-Length", "3"), ("Content-Length", "3")], "all of it", "all", Ok(()));
    check(&[("Content-Length", "3"), ("Content-Length", "4")], "", "", Err("the response has two lengths"));
    check(&[("Content-Length", "x")], "", "", Err("invalid digit found in string"));
    check(&[CHUNKED], "3\r\nall\r\n0\r\n\r\nmore", "all", Ok(()));
    check(&[CHUNKED, ("Content-Length", "1")], "3\r\nall\r\n0\r\n\r\n", "all", Ok(()));
    check(&[("Transfer-Encoding", "gzip, Chunked")], "3\r\nall\r\n0\r\n\r\n", "all", Ok(()));
    check(&[("Transfer-Encoding", "identity")], "all", "all", Ok(()));
    check(&[CHUNKED], "3\r\nall\r\n", "all", Err(CUT_OFF));
    check(&[CHUNKED], "3\r\nal", "al", Err(CUT_OFF));
}

#[test]
fn chunks_are_read_as_servers_write_them_and_nonsense_is_refused() {
    let check = |sent: &str, data: &str, ended: Result<(), &str>| {
        assert_eq!(
            read(&[CHUNKED], vec![sent.into()]),
            (data.into(), ended.map_err(str::to_owned)),
            "{sent:?}"
        );
    };
    check("003 ;name=value\r\nall\r\n0\r\n\r\n", "all", Ok(()));
    check(
        "A\r\n0123456789\r\na\r\n0123456789\r\n0;x\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
        "01234567890123456789",
        Ok(()),
    );
    check("3\nall\n0\n\n", "all", Ok(()));
    check("\r\nall", "", Err(BAD));
    check("-3\r\nall", "", Err(BAD));
    check("3x\r\nall", "", Err(BAD));
    check("3\r\nall!\r\n", "all", Err(BAD));
    check("3\r\nall\r\r\n", "all", Err(BAD));
    check("10000000000000000\r\n", "", Err(BAD));
    check(&format!("3;{}\r\nall\r\n", "x".repeat(10_000)), "", Err(BAD));
    check(&format!("0\r\n{}", "x: 1\r\n".repeat(2_000)), "", Err(BAD));
}

fn cut(sent: &[u8], places: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(sent.len() + 1)).collect();
    places.extend([0, sent.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| sent[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_read_alike_however_they_are_cut(
        sent in prop::collection::vec(prop::sample::select(b"013aF;x \r\n\r\n".to_vec()), 0..60),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let pieces = cut(&sent, &places);
        prop_assert_eq!(read(&[CHUNKED], pieces), read(&[CHUNKED], vec![sent]));
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_is_cut(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut sent = Vec::new();
        for chunk in &chunks {
            sent.extend(format!("{:x}\r\n", chunk.len()).bytes());
            sent.extend(chunk);
            sent.extend(b"\r\n");
        }
        sent.extend(b"0\r\n\r\n");
        let pieces = cut(&sent, &places);
        prop_assert_eq!(read(&[CHUNKED], pieces), (chunks.concat(), Ok(())));
    }
}
