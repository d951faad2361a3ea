//! The address of an endpoint: scheme, host and port, and nothing else.
//!
//! Not here: which links of a BMC are followed (`origins`), name resolution and connecting (`https`, `stream_connector`).

use std::{fmt, net::Ipv6Addr, str::FromStr};

use http::Uri;
use reqwest::Url;

/// An origin such as `https://10.0.17.12` or `https://[fd00::12]:8443`. `http` is allowed for laboratories; a path other
/// than `/`, a user name or a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    secure: bool,
    /// Lower case, without brackets.
    host: String,
    port: u16,
}

/// Why a text is not an address; the message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL.
    #[error("{0:?} is not an address like https://10.0.17.12 or https://bmc.example:8443")]
    NotAnOrigin(String),
    /// No scheme before the host.
    #[error("{0:?} has no scheme: write \"https://{0}\"")]
    NoScheme(String),
    /// Neither `https` nor `http`.
    #[error("{0:?} is not a scheme we speak: write https:// (or http:// in a laboratory)")]
    Scheme(String),
    /// User name or password in the address. The text is not repeated: it may hold the password.
    #[error(
        "an address holds no user name: write https://HOST and name the credentials with \"credentials\""
    )]
    Login,
    /// A path, a query or a fragment.
    #[error("{0:?} goes on after the host: write {1:?}, the rest is found by links")]
    Path(String, String),
    /// An IPv6 address without brackets.
    #[error("{0:?} is an IPv6 address without brackets: write https://[{0}]")]
    Brackets(String),
}

impl Address {
    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        if self.secure { "https" } else { "http" }
    }

    /// Host name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 443 or 80 where none was written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host with brackets where they belong, and the port unless it is the scheme's own: the `Host` header.
    pub fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let host = &self.host;
        if self.port == default_port(self.secure) {
            format!("{open}{host}{close}")
        } else {
            format!("{open}{host}{close}:{}", self.port)
        }
    }

    /// The absolute URI of a path (with query) on this endpoint.
    pub fn url(&self, path: &str) -> Result<Uri, http::Error> {
        Uri::builder().scheme(self.scheme()).authority(self.authority()).path_and_query(path).build()
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let whole = text.trim();
        let wrong = || AddressError::NotAnOrigin(whole.to_owned());
        let (scheme, rest) = match whole.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None if whole.contains('@') => return Err(AddressError::Login),
            None if whole.parse::<Ipv6Addr>().is_ok() => {
                return Err(AddressError::Brackets(whole.to_owned()));
            }
            None if split_host(whole).is_some() => return Err(AddressError::NoScheme(whole.to_owned())),
            None => return Err(wrong()),
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressError::Login);
        }
        let secure = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(AddressError::Scheme(scheme)),
        };
        if authority.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::Brackets(authority.to_owned()));
        }
        let (host, port) = split_host(authority).ok_or_else(wrong)?;
        let address = Self { secure, host, port: port.unwrap_or_else(|| default_port(secure)) };
        // The client reads `10.0.17` as 10.0.0.17 and `10.0.17.999` not at all: only what it reads alike is an address. IPv6
        // it may write otherwise.
        let read = Url::parse(&address.to_string()).map_err(|_| wrong())?;
        if !address.host.contains(':') && read.host_str() != Some(address.host()) {
            return Err(wrong());
        }
        if tail.is_empty() || tail == "/" {
            Ok(address)
        } else {
            Err(AddressError::Path(whole.to_owned(), address.to_string()))
        }
    }
}

/// Host in lower case without brackets, and the port if one is written; `None` when it is neither name nor address.
fn split_host(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let host = host.parse::<Ipv6Addr>().ok()?.to_string();
        (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
            None => (authority.to_ascii_lowercase(), None),
        }
    };
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.len() > 253 || !host.chars().all(named) {
        return None;
    }
    let port = match port {
        Some(digits) => Some(digits.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    Some((host, port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_an_operator_would_write_it() {
        for (text, printed) in [
            ("https://10.0.17.12", "https://10.0.17.12"),
            ("https://BMC.Example:443/", "https://bmc.example"),
            ("http://bmc:80", "http://bmc"),
            ("https://[FD00::12]:8443", "https://[fd00::12]:8443"),
            ("https://[::ffff:10.0.17.12]", "https://[::ffff:10.0.17.12]"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_way_out() {
        for (text, hint) in [
            ("10.0.17.12", "write \"https://10.0.17.12\""),
            ("https://fd00::12", "write https://[fd00::12]"),
            ("ftp://bmc", "write https://"),
            ("https://bmc/redfish/v1", "write \"https://bmc\""),
            ("https://bmc?x=1", "write \"https://bmc\""),
            ("https://", "not an address like"),
            ("https://bmc:0", "not an address like"),
            ("https://b mc", "not an address like"),
            ("https://10.0.17", "not an address like"),
            ("https://10.0.17.999", "not an address like"),
            ("https://bmc.0.0.1", "not an address like"),
            ("https://xn--bmc-", "not an address like"),
        ] {
            let message = text.parse::<Address>().unwrap_err().to_string();
            assert!(message.contains(hint), "{text}: {message}");
        }
        let message = "https://root:calvin@bmc".parse::<Address>().unwrap_err().to_string();
        assert!(!message.contains("calvin"), "{message}");
    }
}
