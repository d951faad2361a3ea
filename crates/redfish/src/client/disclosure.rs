//! The two places where a password leaves its [`model::Secret`] to be sent: the body that asks for a session, and the
//! `Authorization` header of Basic.
//!
//! Each is built in one buffer of sufficient size, which is wiped when the request is done with it. What HTTP and TLS copy
//! into their own buffers on the way out is beyond us.

use std::io::Write as _;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::Login;

/// Text in JSON is at most six times as long (`\u0000`).
const JSON_ESCAPE_MAX: usize = 6;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewSession<'a> {
    password: &'a str,
    user_name: &'a str,
}

/// The body that asks for a session.
pub(super) fn session_body(login: &Login) -> Bytes {
    let (user_name, password) = (login.username.as_str(), login.password.expose());
    let names = r#"{"Password":"","UserName":""}"#.len();
    let room = names + JSON_ESCAPE_MAX * (user_name.len() + password.len());
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *body, &NewSession { password, user_name })
        .expect("two texts are JSON, and a Vec takes every write");
    debug_assert!(body.len() <= room, "it has grown, and left a copy behind");
    Bytes::from_owner(body)
}

/// The `Authorization` header of Basic; it is marked as sensitive.
pub(super) fn basic_header(login: &Login) -> HeaderValue {
    const SCHEME: &[u8] = b"Basic ";
    let (user_name, password) = (login.username.as_bytes(), login.password.expose().as_bytes());
    let length = user_name.len() + 1 + password.len();
    let mut plain = Zeroizing::new(Vec::with_capacity(length));
    plain.extend_from_slice(user_name);
    plain.push(b':');
    plain.extend_from_slice(password);
    let mut header = Zeroizing::new(vec![0; SCHEME.len() + length.div_ceil(3) * 4]);
    let (mut scheme, encoded) = header.split_at_mut(SCHEME.len());
    scheme.write_all(SCHEME).expect("it has the size of it");
    BASE64_STANDARD.encode_slice(&*plain, encoded).expect("padded base64 takes four bytes for three");
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(header)).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    fn login(username: &str, password: &str) -> Login {
        Login { username: username.to_owned(), password: Secret::new(password.to_owned()) }
    }

    #[test]
    fn a_login_of_any_characters_is_written_into_a_buffer_that_does_not_grow() {
        let hard = login("mo\"nitor\u{1}", "p\\w\u{0}\u{1}ü\"");
        let body: serde_json::Value = serde_json::from_slice(&session_body(&hard)).unwrap();
        assert_eq!(
            body,
            serde_json::json!({ "UserName": "mo\"nitor\u{1}", "Password": "p\\w\u{0}\u{1}ü\"" })
        );
        assert_eq!(session_body(&login("u", "p")), r#"{"Password":"p","UserName":"u"}"#);
    }

    #[test]
    fn the_header_of_basic_holds_the_login_and_does_not_show_it() {
        for (username, password, encoded) in [
            ("monitor", "hunter2", "Basic bW9uaXRvcjpodW50ZXIy"),
            ("u", "", "Basic dTo="),
            ("u", "ü", "Basic dTrDvA=="),
        ] {
            let header = basic_header(&login(username, password));
            assert_eq!(header.to_str().unwrap(), encoded);
            assert_eq!(format!("{header:?}"), "Sensitive");
        }
    }
}
