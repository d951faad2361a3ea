//! Three lines: an address, the path of a document, a link in it. Whatever the link says, the HTTP client goes to that
//! address or nowhere.

#![no_main]

use std::net::Ipv6Addr;

use libfuzzer_sys::fuzz_target;
use redfish::{
    Address,
    fuzzing::{places, resolve},
};
use url::Url;

/// A path that was followed stays on its endpoint, also as the HTTP client reads it, and is what it is.
fn stays(address: &Address, path: &str) {
    let url = address.url(path).expect("it was asked before").to_string();
    let read = Url::parse(&url).expect("the client reads it");
    let host = read.host_str().unwrap_or_default().trim_matches(['[', ']']);
    // One IPv6 address has several spellings.
    let (reads, means) = (host.parse::<Ipv6Addr>(), address.host().parse::<Ipv6Addr>());
    assert!(host == address.host() || reads.is_ok() && reads == means, "{url}");
    assert_eq!(read.port_or_known_default(), Some(address.port()), "{url}");
    assert_eq!(read.scheme(), address.scheme(), "{url}");
    assert!(read.username().is_empty() && read.password().is_none(), "{url}");
    assert!(path.starts_with('/') && path.is_ascii() && !path.contains(|c: char| c.is_control() || c == '#'));
    assert_eq!(resolve(address, "/", path).as_deref(), Some(path), "a path leads to itself");
}

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (address, base, link) = (lines.next(), lines.next(), lines.next());
    let (Some(address), Some(base), Some(link)) = (address, base, link) else { return };
    let Ok(address) = address.parse::<Address>() else { return };
    assert_eq!(address.to_string().parse(), Ok(address.clone()), "it is read as it is printed");
    // A document has been read at the path that a link to it led to.
    let Some(base) = resolve(&address, "/", base) else { return };
    let Some(path) = resolve(&address, &base, link) else { return };
    stays(&address, &path);
    let (skipping, after) = places(&path, 50, 50, 1000);
    for path in [skipping].into_iter().chain(after) {
        assert!(address.url(&path).is_ok(), "{path}");
    }
});
