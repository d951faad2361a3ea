//! Reading a BMC's JSON tolerantly: bad UTF-8 is replaced, raw control characters are forgiven, links come in several
//! shapes.
//!
//! Not here: what entries and events mean (`log_entry`, `event`).

use std::borrow::Cow;

use serde_json::Value;

/// What is no page of a log is taken apart as a whole, which takes a dozen times its size. None of those that were recorded
/// from real BMCs has 200 KB.
const DOCUMENT_BYTES_MAX: usize = 2 << 20;

/// Longest piece of a BMC's text in an error of ours.
const QUOTE_CHARS_MAX: usize = 200;

/// The body as text: no byte order mark, no invalid UTF-8, no control characters where the strict form has them raw in
/// strings. `Err` says what is wrong.
pub(crate) fn text(body: &[u8]) -> Result<Cow<'_, str>, String> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text) else { return Ok(text) };
    // A raw line feed in a string spoils the whole page; outside strings a blank means the same.
    let mended: String = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
    match serde_json::from_str::<serde::de::IgnoredAny>(&mended) {
        Ok(_) => Ok(Cow::Owned(mended)),
        Err(_) => Err(error.to_string()),
    }
}

/// What may stand in JSON and in no text or number of ours, as what comes closest to it: half of a surrogate pair
/// (`"\ud83d"`, a text that was cut within a character) as U+FFFD, a number without bounds (`1e999`) as a text.
///
/// It is for well-formed JSON that could not be read.
pub(crate) fn mended(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + 2);
    let mut rest = json;
    let mut in_text = false;
    while let Some(next) = rest.chars().next() {
        in_text ^= next == '"';
        let (length, instead) = match next {
            '\\' => {
                let (length, is_half) = escape(rest);
                (length, is_half.then(|| "\u{fffd}".to_owned()))
            }
            '-' | '0'..='9' if !in_text => {
                let more = |c: char| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-');
                let number = &rest[..rest.find(|c| !more(c)).unwrap_or(rest.len())];
                let is_endless = number.parse().is_ok_and(f64::is_infinite);
                (number.len(), is_endless.then(|| format!("\"{number}\"")))
            }
            _ => (next.len_utf8(), None),
        };
        let (piece, after) = rest.split_at(length);
        out.push_str(instead.as_deref().unwrap_or(piece));
        rest = after;
    }
    out
}

/// How long the escape is that the text begins with, two halves of a pair being one, and whether it is a half alone.
fn escape(text: &str) -> (usize, bool) {
    let Some(unit) = code_unit(text) else { return (2, false) };
    let second = code_unit(&text[6..]).filter(|second| (0xdc00..0xe000).contains(second));
    match unit {
        0xd800..0xdc00 if second.is_some() => (12, false),
        0xd800..0xe000 => (6, true),
        _ => (6, false),
    }
}

/// The code unit of `\uXXXX`.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// The body as a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Value, String> {
    if body.len() > DOCUMENT_BYTES_MAX {
        return Err(format!("{} bytes, more than the {DOCUMENT_BYTES_MAX} we read", body.len()));
    }
    let text = text(body)?;
    let value: serde_json::Result<Value> =
        serde_json::from_str(&text).or_else(|_| serde_json::from_str(&mended(&text)));
    let value = value.map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err("not an object".to_owned()) }
}

/// A link: `{"@odata.id": ".."}`, `{"href": ".."}` (before Redfish 1.0) or a plain string.
pub(crate) fn link(value: &Value) -> Option<String> {
    let link = value.get("@odata.id").or_else(|| value.get("href")).unwrap_or(value).as_str()?;
    (!link.is_empty()).then(|| link.to_owned())
}

/// The link under `name`, at the top or under `Links`.
pub(crate) fn link_at(document: &Value, name: &str) -> Option<String> {
    let nested = || document.get("Links").or_else(|| document.get("links"))?.get(name);
    document.get(name).and_then(link).or_else(|| nested().and_then(link))
}

/// A text; a number counts as its digits (T48).
pub(crate) fn string(document: &Value, name: &str) -> Option<String> {
    match document.get(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `UUID` in lower case; `None` where it is all zeros, as before a board was programmed.
pub(crate) fn uuid(document: &Value) -> Option<String> {
    let uuid = string(document, "UUID")?.to_ascii_lowercase();
    uuid.bytes().any(|byte| byte != b'0' && byte != b'-').then_some(uuid)
}

/// A count; a text of digits counts too.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A truth value, also as text.
pub(crate) fn truth(document: &Value, name: &str) -> Option<bool> {
    match document.get(name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The first message of a Redfish error body, fit for an error of ours.
pub(crate) fn error_message(body: &[u8]) -> Option<String> {
    let document = object(body).ok()?;
    let error = document.get("error")?;
    let extended = error.get("@Message.ExtendedInfo").or_else(|| document.get("@Message.ExtendedInfo"));
    let first = match extended {
        Some(Value::Array(all)) => all.first(),
        other => other,
    };
    let message = first.and_then(|first| string(first, "Message").or_else(|| string(first, "MessageId")));
    let message = message.or_else(|| string(error, "message")).or_else(|| string(error, "code"))?;
    Some(clean(&message, QUOTE_CHARS_MAX))
}

/// A BMC's text, safe to show: no control characters, at most `chars_max` characters.
pub(crate) fn clean(text: &str, chars_max: usize) -> String {
    let mut shown: String =
        text.chars().take(chars_max).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(chars_max).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_raw_control_characters_and_latin_1_is_still_read() {
        let page = object(b"\xEF\xBB\xBF{\"Message\":\"line\nbreak 25 \xB0C\"}").unwrap();
        assert_eq!(string(&page, "Message").unwrap(), "line break 25 \u{fffd}C");
        assert!(object(b"{\"Members\":[").is_err());
        assert!(object(b"null").is_err());
    }

    #[test]
    fn what_no_text_or_number_can_hold_is_mended_and_the_rest_left_alone() {
        for (json, expected) in [
            (r#""a\ud83d""#, "\"a\u{fffd}\""),
            (r#""\ud83d\u0041\udc00""#, "\"\u{fffd}\\u0041\u{fffd}\""),
            (r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}\\ud83d\\ude00\""),
            (r"[1e999,-1E+999 ,1e-999,12]", r#"["1e999","-1E+999" ,1e-999,12]"#),
            (r#"{"\\ud83d":"1e999","\"1e999":-0.5}"#, r#"{"\\ud83d":"1e999","\"1e999":-0.5}"#),
        ] {
            assert_eq!(mended(json), expected);
        }
        let page = object(br#"{"Name":"x\ud83d","Id":1e999}"#).unwrap();
        assert_eq!(string(&page, "Name").unwrap(), "x\u{fffd}");
        assert_eq!(string(&page, "Id").unwrap(), "1e999");
    }

    #[test]
    fn links_come_in_three_shapes() {
        let root =
            object(br#"{"A":{"@odata.id":"/a"},"links":{"B":{"href":"/b"}},"C":"/c","D":null,"E":""}"#)
                .unwrap();
        let found = ["A", "B", "C", "D", "E", "F"].map(|name| link_at(&root, name));
        assert_eq!(found.map(Option::unwrap_or_default), ["/a", "/b", "/c", "", "", ""]);
    }

    #[test]
    fn the_message_of_an_error_is_short_and_clean() {
        let body = br#"{"error":{"code":"x","@Message.ExtendedInfo":[{"Message":"a\u001b[31mb","MessageId":"RAC0218"}]}}"#;
        assert_eq!(error_message(body).unwrap(), "a [31mb");
        assert_eq!(error_message(br#"{"error":{"message":"no"}}"#).unwrap(), "no");
        assert_eq!(error_message(b"<html>"), None);
        assert_eq!(clean("abcdef", 3), "abc...");
    }
}
