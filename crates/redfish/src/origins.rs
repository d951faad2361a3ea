//! Where a link of a BMC may lead: the endpoint's own origin, and those that the operator allowed beside it.
//!
//! Our credentials go nowhere else, whatever a redirect, a next link, a member, a stream URI or the location of a registry
//! says. A place on the own origin is a path; on an allowed one it is a whole URL. Nothing here is sent.

use http::Uri;

use crate::Address;

/// Longest link, and longest path that one leads to. URLs beyond 2 KiB are a broken BMC's, and relative links that each add
/// to the last would grow without end.
const LINK_BYTES_MAX: usize = 2048;

/// How often a path is decoded to see what a server would see that decodes more than once.
const DECODINGS_MAX: usize = 3;

/// The origins of one endpoint: its own first.
#[derive(Debug)]
pub(crate) struct Origins {
    all: Vec<Address>,
}

/// Why a link of a BMC is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// Empty, too long, or no URI.
    NotALink,
    /// It leads to another origin, or carries a user name.
    Foreign,
    /// It climbs (`..`), its path begins like a host (`//`), or it has a backslash or a control character in it, which clients
    /// and servers read in different ways.
    Crooked,
}

impl Origins {
    pub(crate) fn new(own: Address, allowed: impl IntoIterator<Item = Address>) -> Self {
        let mut all = vec![own];
        for address in allowed {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        Self { all }
    }

    /// The endpoint's address.
    pub(crate) fn own(&self) -> &Address {
        &self.all[0]
    }

    /// All of them, the own one first.
    pub(crate) fn all(&self) -> &[Address] {
        &self.all
    }

    /// The place that `link` leads to, found in the document at the place `base`. The fragment is cut, characters that no
    /// URI may hold are escaped.
    pub(crate) fn resolve(&self, base: &str, link: &str) -> Result<String, LinkError> {
        let link = link.trim().split('#').next().unwrap_or_default();
        if link.is_empty() || link.len() > LINK_BYTES_MAX {
            return Err(LinkError::NotALink);
        }
        if is_crooked(link) {
            return Err(LinkError::Crooked);
        }
        let (origin, base) = self.split(base).ok_or(LinkError::Foreign)?;
        let base = base.split('?').next().unwrap_or_default();
        let (origin, path) =
            if let Some((scheme, rest)) = link.split_once("://").filter(|(s, _)| is_scheme(s)) {
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(at);
                let origin = self.index(scheme, authority).ok_or(LinkError::Foreign)?;
                (origin, if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
            } else if link.starts_with("//") {
                return Err(LinkError::Foreign);
            } else if link.starts_with('/') {
                (origin, link.to_owned())
            } else if link.starts_with('?') {
                (origin, format!("{base}{link}"))
            } else {
                let directory = base.rfind('/').map_or("/", |at| &base[..=at]);
                (origin, format!("{directory}{link}"))
            };
        // A path that is read once more would be a host.
        if path.starts_with("//") {
            return Err(LinkError::Crooked);
        }
        let path = escaped(&path);
        if path.len() > LINK_BYTES_MAX {
            return Err(LinkError::NotALink);
        }
        let place = if origin == 0 { path } else { format!("{}{path}", self.all[origin]) };
        if self.target(&place).is_some() { Ok(place) } else { Err(LinkError::NotALink) }
    }

    /// The origin of a place, by its number in [`all`](Self::all), and the URI to ask it for.
    pub(crate) fn target(&self, place: &str) -> Option<(usize, Uri)> {
        let (origin, path) = self.split(place)?;
        self.all[origin].url(path).ok().map(|uri| (origin, uri))
    }

    /// The origin of a place and the path there.
    fn split<'a>(&self, place: &'a str) -> Option<(usize, &'a str)> {
        let Some((scheme, rest)) = place.split_once("://").filter(|_| !place.starts_with('/')) else {
            return Some((0, place));
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        self.index(scheme, authority).map(|origin| (origin, path))
    }

    fn index(&self, scheme: &str, authority: &str) -> Option<usize> {
        let address: Address = format!("{}://{authority}", scheme.to_ascii_lowercase()).parse().ok()?;
        self.all.iter().position(|known| *known == address)
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Whether a link is one that different readers take for different places.
fn is_crooked(link: &str) -> bool {
    let mut text = link.as_bytes().to_vec();
    for _ in 0..DECODINGS_MAX {
        if text.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) {
            return true;
        }
        let path = text.split(|byte| *byte == b'?').next().unwrap_or_default();
        if path.split(|byte| *byte == b'/').any(|segment| segment == b"..") {
            return true;
        }
        let decoded = decoded(&text);
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    // Packed deeper than any BMC has a reason for.
    true
}

/// Each `%XX` as the byte it stands for.
fn decoded(text: &[u8]) -> Vec<u8> {
    let hex = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match after {
            [high, low, tail @ ..] if *first == b'%' => {
                if let (Some(high), Some(low)) = (hex(high), hex(low)) {
                    out.push(high << 4 | low);
                    rest = tail;
                    continue;
                }
                out.push(*first);
            }
            _ => out.push(*first),
        }
        rest = after;
    }
    out
}

/// Escapes what may not stand in a URI; what is escaped already stays as it is.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => push_escape(&mut out, byte),
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => push_escape(&mut out, byte),
        }
    }
    out
}

fn push_escape(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(allowed: &[&str]) -> Origins {
        let own = "https://bmc:8443".parse().unwrap();
        Origins::new(own, allowed.iter().map(|address| address.parse().unwrap()))
    }

    #[track_caller]
    fn check(origins: &Origins, link: &str, expected: Result<&str, LinkError>) {
        let base = "/redfish/v1/Log/Entries?$skip=50";
        assert_eq!(origins.resolve(base, link), expected.map(str::to_owned), "{link:?}");
    }

    #[test]
    fn links_on_the_own_origin_are_followed() {
        let origins = origins(&[]);
        for (link, path) in [
            ("/redfish/v1/Log/Entries?$skip=100", "/redfish/v1/Log/Entries?$skip=100"),
            ("https://BMC:8443/a#/b", "/a"),
            ("https://bmc:8443", "/"),
            ("?$skip=100", "/redfish/v1/Log/Entries?$skip=100"),
            ("Entries/1", "/redfish/v1/Log/Entries/1"),
            ("/a b?$filter=x ge 'ü'", "/a%20b?$filter=x%20ge%20'%C3%BC'"),
            ("/a..b/...?x=../y", "/a..b/...?x=../y"),
            ("/100%/a%zz", "/100%/a%zz"),
        ] {
            check(&origins, link, Ok(path));
        }
        check(&origins, "", Err(LinkError::NotALink));
        check(&origins, &"a".repeat(LINK_BYTES_MAX + 1), Err(LinkError::NotALink));
        check(&origins, &"a".repeat(LINK_BYTES_MAX - 1), Err(LinkError::NotALink));
        check(&origins, &format!("/{}", "ü".repeat(LINK_BYTES_MAX / 4)), Err(LinkError::NotALink));
    }

    #[test]
    fn no_spelling_of_a_link_leads_to_another_origin() {
        let origins = origins(&[]);
        for link in [
            "https://evil/a",
            "https://bmc/a",
            "http://bmc:8443/a",
            "HTTP://bmc:8443/a",
            "ftp://bmc:8443/a",
            "https://bmc:8444/a",
            "https://bmc:8443@evil/a",
            "https://user@bmc:8443/a",
            "https://user:secret@bmc:8443/a",
            "https://bmc:8443.evil/a",
            "https://bmc.evil:8443/a",
            "https://bmc%2eevil:8443/a",
            "https://bmc:8443%40evil/a",
            "https://[bmc]:8443/a",
            "https:///evil/a",
            "https://",
            "https://bmc:8443:443/a",
            "https://bmc。evil:8443/a",
            "//evil/a",
            "///evil/a",
            "//bmc:8443/a",
            " https://evil/a",
        ] {
            check(&origins, link, Err(LinkError::Foreign));
        }
    }

    #[test]
    fn what_readers_take_for_different_places_is_not_followed() {
        let origins = origins(&["https://bmc:9090"]);
        for link in [
            "..",
            "../../admin",
            "/redfish/v1/../admin",
            "/redfish/v1/..",
            "https://bmc:8443/../a",
            "https://bmc:8443//evil/a",
            "https://bmc:9090///evil/a",
            "/redfish/%2e%2e/admin",
            "/redfish/%2E./admin",
            "/redfish/%252e%252e/admin",
            "/redfish/%25252e%25252e/admin",
            "/redfish/..%2fadmin",
            "/redfish/%2e%2e%5cadmin",
            "\\\\evil\\a",
            "/\\evil/a",
            "https:\\\\evil/a",
            "https://bmc:8443\\@evil/a",
            "/%5cevil/a",
            "/\t/evil/a",
            "/a\r\nX-Injected: 1",
            "/a%0d%0aX-Injected:%201",
            "/a?x=%00",
            "/a\u{7f}",
        ] {
            check(&origins, link, Err(LinkError::Crooked));
        }
    }

    #[test]
    fn an_allowed_origin_is_followed_and_its_own_links_stay_on_it_or_come_home() {
        let origins = origins(&["https://bmc:9090", "https://10.0.0.5"]);
        check(&origins, "https://bmc:9090/sse?x=1", Ok("https://bmc:9090/sse?x=1"));
        check(&origins, "https://BMC:09090/sse", Ok("https://bmc:9090/sse"));
        check(&origins, "https://10.0.0.5:443", Ok("https://10.0.0.5/"));
        check(&origins, "http://bmc:9090/sse", Err(LinkError::Foreign));
        check(&origins, "https://10.0.0.5:9090/sse", Err(LinkError::Foreign));
        let from_there = |link| origins.resolve("https://bmc:9090/a/b?c", link);
        assert_eq!(from_there("/x"), Ok("https://bmc:9090/x".to_owned()));
        assert_eq!(from_there("x"), Ok("https://bmc:9090/a/x".to_owned()));
        assert_eq!(from_there("?y"), Ok("https://bmc:9090/a/b?y".to_owned()));
        assert_eq!(from_there("https://bmc:8443/x"), Ok("/x".to_owned()));
        assert_eq!(from_there("//evil/x"), Err(LinkError::Foreign));
        let (origin, uri) = origins.target("https://bmc:9090/x?y").unwrap();
        assert_eq!((origin, uri.to_string().as_str()), (1, "https://bmc:9090/x?y"));
        let (origin, uri) = origins.target("/x?y").unwrap();
        assert_eq!((origin, uri.to_string().as_str()), (0, "https://bmc:8443/x?y"));
        assert!(origins.target("https://evil/x").is_none());
    }
}
