//! The head of an HTTP/1 response, read from a connection that is a stream's alone.
//!
//! Not here: the body behind it (`stream_body`), and pooled connections, which are reqwest's.

use std::io;

use http::{HeaderName, HeaderValue, Response, StatusCode, Version};
use httparse::{EMPTY_HEADER, ParserConfig, Status};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::BoxError;

/// A head larger than this is refused: what BMCs send is below 2 KiB.
const HEAD_BYTES_MAX: usize = 8192;
/// Headers of a head; what has more is refused.
const HEADERS_MAX: usize = 100;
/// What is asked for at once.
const READ_BYTES: usize = 1024;

/// Reads a head, and answers with it and with what has come behind it. Interim responses (1xx, RFC 9110 15.2) are passed over.
pub(crate) async fn read<T: AsyncRead + Unpin>(io: &mut T) -> Result<(Response<()>, Vec<u8>), BoxError> {
    let mut came = Vec::new();
    loop {
        while let Some((response, length)) = parse(&came)? {
            came.drain(..length);
            if !response.status().is_informational() {
                return Ok((response, came));
            }
        }
        if came.len() >= HEAD_BYTES_MAX {
            return Err(format!("the head of the response is larger than {HEAD_BYTES_MAX} bytes").into());
        }
        came.reserve(READ_BYTES);
        if io.read_buf(&mut came).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// The head that these bytes begin with, and its length. `None`: it is not whole yet. A header that is none is left out, as
/// everything else that a BMC writes wrong beside what is asked for.
fn parse(came: &[u8]) -> Result<Option<(Response<()>, usize)>, BoxError> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let parsed =
        ParserConfig::default().ignore_invalid_headers_in_responses(true).parse_response(&mut head, came)?;
    let Status::Complete(length) = parsed else { return Ok(None) };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.code.unwrap_or_default())?;
    *response.version_mut() = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    for header in head.headers {
        let (name, value) = (header.name.parse::<HeaderName>(), HeaderValue::from_bytes(header.value));
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(Some((response, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn head(mut sent: &[u8]) -> Result<(Response<()>, Vec<u8>), BoxError> {
        read(&mut sent).await
    }

    #[tokio::test]
    async fn a_head_ends_where_the_body_begins_and_wrong_headers_cost_only_themselves() {
        let sent =
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nno header\r\nX: 1\r\n\r\ndata: a\n";
        let (response, rest) = head(sent).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["x"].as_bytes()), (200, &b"1"[..]));
        assert_eq!(rest, b"data: a\n");
    }

    #[tokio::test]
    async fn an_interim_response_is_passed_over() {
        let (response, rest) = head(b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.0 503 Busy\r\n\r\n").await.unwrap();
        assert_eq!((response.status().as_u16(), response.version(), rest.len()), (503, Version::HTTP_10, 0));
    }

    #[tokio::test]
    async fn what_is_no_head_or_has_no_end_is_an_error() {
        let long = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 2 * HEAD_BYTES_MAX]].concat();
        for (sent, error) in [
            (b"SSH-2.0-OpenSSH_9.2\r\n".as_slice(), "invalid HTTP version"),
            (b"HTTP/1.1 200 OK\r\n", "unexpected end of file"),
            (b"", "unexpected end of file"),
            (&long, "the head of the response is larger than 8192 bytes"),
        ] {
            assert_eq!(head(sent).await.unwrap_err().to_string(), error);
        }
    }
}
