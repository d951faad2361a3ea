//! Whether a request was made by a web page of somebody else, in the browser of an operator. Pure: reads headers only.
//!
//! Two ways lead there: a name of the page's own that it points at our address (DNS rebinding), which `Host` shows, and a
//! form or script that sends to us from another origin, which `Origin` and `Sec-Fetch-Site` show. Programs that are no
//! browsers send none of the latter, and pass.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderValue, header};

/// Which names the listener is called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    /// These names, beside addresses and `localhost`.
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.to_vec())
    }

    /// Whether `Host` is an IP address, which no page can point elsewhere, or a name that is ours. A request without
    /// one is of no browser.
    pub(super) fn include(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (None, _) => true,
            (Some(host), None) => host.to_str().is_ok_and(|host| self.is_ours(host)),
            (Some(_), Some(_)) => false,
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        if let Some(bracketed) = host.strip_prefix('[') {
            let address = bracketed.split_once(']').map(|(address, _)| address);
            return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
        }
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name.parse::<Ipv4Addr>().is_ok() || name == "localhost" || self.0.contains(&name)
    }
}

/// Whether a browser says that the request comes from a page that is not ours, or does not say where from.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_ascii_lowercase();
    if let Some(site) = headers.get("sec-fetch-site")
        && !matches!(text(site).as_str(), "same-origin" | "none")
    {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN).map(text) else { return false };
    let host = headers.get(header::HOST).map(text);
    origin.split_once("://").map(|(_, authority)| authority) != host.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn addresses_and_our_own_names_are_ours_and_no_other_name_is() {
        let hosts = Hosts::new(&["bmcwatch.example".to_owned()]);
        for (host, ours) in [
            ("127.0.0.1:9632", true),
            ("10.1.2.3", true),
            ("[::1]:9632", true),
            ("[fd00::1]", true),
            ("localhost:9632", true),
            ("LOCALHOST.", true),
            ("bmcwatch.example:9632", true),
            ("BMCwatch.Example", true),
            ("attacker.example:9632", false),
            ("bmcwatch.example.attacker.example", false),
            ("127.0.0.1.attacker.example", false),
            ("localhost.attacker.example", false),
            ("[attacker.example]", false),
            ("", false),
        ] {
            assert_eq!(hosts.include(&headers(&[("host", host)])), ours, "{host}");
        }
        assert!(hosts.include(&headers(&[])));
        let mut twice = headers(&[("host", "127.0.0.1")]);
        twice.append("host", HeaderValue::from_static("attacker.example"));
        assert!(!hosts.include(&twice));
    }

    #[test]
    fn a_page_of_another_origin_is_noticed_and_a_program_is_none() {
        let host = ("host", "127.0.0.1:9632");
        for (more, cross) in [
            (&[][..], false),
            (&[("origin", "http://127.0.0.1:9632")], false),
            (&[("origin", "http://127.0.0.1:9632"), ("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://attacker.example")], true),
            (&[("origin", "http://127.0.0.1:8000")], true),
            (&[("origin", "null")], true),
            (&[("origin", "")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("origin", "http://127.0.0.1:9632"), ("sec-fetch-site", "cross-site")], true),
        ] {
            let all: Vec<_> = [host].iter().chain(more).copied().collect();
            assert_eq!(is_cross_site(&headers(&all)), cross, "{more:?}");
        }
    }
}
