//! Targets, and what becomes of them or is said of them.

use std::path::Path;

use collect::{TargetGroup, TargetPart};
use redfish::Trust;

use super::*;

const CONFIG: &str = "
    [discovery]
    allowed_origins = [\"https://front:8443\"]
    [credentials.dell]
    username = \"dell\"
    password_env = \"PASSWORD\"
    match.labels = { vendor = \"dell\" }
    [credentials.other]
    username = \"other\"
    password_env = \"PASSWORD\"
    match.addresses = [\"10.0.0.0/8\"]
    [credentials.also]
    username = \"also\"
    password_env = \"PASSWORD\"
    match.addresses = [\"10.0.0.0/8\"]";

fn config() -> Config {
    let variables = [("PASSWORD".to_owned(), "s3cret".to_owned())];
    Config::parse(Path::new("x"), CONFIG, &Environment::of(variables.into())).unwrap().0
}

/// A list of one file with one group: targets, and labels such as `rack=r17`.
fn list(targets: &[&str], labels: &str) -> TargetList {
    let labels = labels.split_whitespace().filter_map(|pair| pair.split_once('='));
    let group = TargetGroup {
        targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    TargetList([TargetPart { origin: "bmcs.json".into(), groups: [group].into() }].into())
}

fn resolve(targets: &[&str], labels: &str) -> Resolved {
    config().resolve(&list(targets, labels))
}

#[test]
fn a_target_is_a_host_with_or_without_port_and_scheme() {
    for (target, address, id) in [
        ("bmc.example", "https://bmc.example", "bmc.example"),
        ("10.0.17.12:8443", "https://10.0.17.12:8443", "10.0.17.12:8443"),
        ("10.0.17.12:443", "https://10.0.17.12:443", "10.0.17.12"),
        ("[fd00::12]:8443", "https://[fd00::12]:8443", "[fd00::12]:8443"),
        ("[fd00::12]", "https://[fd00::12]", "fd00::12"),
        ("https://10.0.17.12", "https://10.0.17.12", "10.0.17.12"),
        (" 10.0.17.12 ", "https://10.0.17.12", "10.0.17.12"),
    ] {
        let resolved = resolve(&[target], "__bmc_credential=dell");
        assert_eq!(resolved.problems, [], "{target}");
        let endpoint = &resolved.endpoints[0].endpoint;
        assert_eq!((endpoint.address.as_str(), endpoint.id.as_str()), (address, id), "{target}");
    }
}

#[test]
fn labels_are_instructions_or_are_attached() {
    let labels = "__bmc_id=r17-u12 __bmc_credential=other __bmc_tls=tofu __meta_site=x __address__=y \
                  rack=r17 vendor=dell";
    let resolved = resolve(&["10.0.17.12"], labels);
    assert_eq!(resolved.problems, []);
    let config = &resolved.endpoints[0];
    assert_eq!(config.endpoint.id.as_str(), "r17-u12");
    let attached: Vec<&str> = config.endpoint.labels.keys().map(String::as_str).collect();
    assert_eq!(attached, ["rack", "vendor"]);
    assert_eq!(config.client.trust, Trust::Tofu);
    assert_eq!(config.client.login.as_ref().unwrap().username, "other");
    assert_eq!(config.client.allowed_origins.len(), 1);
    // Empty ones are none: the address names it, and the narrowest match logs in.
    let resolved = resolve(&["bmc"], "__bmc_id= __bmc_credential= __bmc_tls= vendor=dell");
    assert_eq!(resolved.problems, []);
    let config = &resolved.endpoints[0];
    assert_eq!((config.endpoint.id.as_str(), &config.client.trust), ("bmc", &Trust::System));
    assert_eq!(config.client.login.as_ref().unwrap().username, "dell");
}

#[test]
fn a_bad_target_is_told_in_the_words_of_the_list_and_costs_itself() {
    for (target, labels, expected) in [
        ("10.0.17", "__bmc_credential=dell", "is not an address like"),
        ("fd00::1", "__bmc_credential=dell", "write https://[fd00::1]"),
        ("10.0.0.1/redfish", "__bmc_credential=dell", "goes on after the host"),
        ("ftp://10.0.0.1", "__bmc_credential=dell", "not a scheme we speak"),
        ("", "__bmc_credential=dell", "is not an address"),
        (
            "bmc",
            "__bmc_credential=del",
            "__bmc_credential: there are no credentials named \"del\"\n    hint: did you mean \"dell\"?",
        ),
        ("bmc", "", "none match the endpoint\n    hint: add __bmc_credential = \"NAME\""),
        (
            "10.0.0.1",
            "",
            "match it equally well\n    hint: add __bmc_credential = \"other\" or __bmc_credential = \"also\"",
        ),
        ("bmc", "__bmc_credential=dell __bmc_tls=pin", "__bmc_tls: \"pin\" without the hash of a key"),
        (
            "bmc",
            "__bmc_credential=dell __bmc_tls=pin:sha256/xx",
            "__bmc_tls: \"pin:sha256/xx\" is no trust policy",
        ),
        ("bmc", "__bmc_credential=dell __bmc_id=a\u{7}b", "__bmc_id: an endpoint id has no blanks"),
        (
            "bmc",
            "__bmc_credential=dell __bmc_credentials=x",
            "__bmc_credentials: no such instruction\n    hint: did you mean \"__bmc_credential\"?",
        ),
        ("bmc", "__bmc_credential=dell r-17=x", "r-17: \"r-17\" is not a label name"),
    ] {
        let resolved = resolve(&[target, "good"], &format!("{labels} vendor="));
        let told = resolved.problems.first().map(ToString::to_string).unwrap_or_default();
        assert!(told.starts_with(&format!("bmcs.json: target {target:?}: ")), "{target} {labels}: {told}");
        assert!(told.contains(expected), "{target} {labels}: {told}");
        assert!(!told.contains("auth = \"none\""), "{told}");
        assert!(resolved.endpoints.iter().all(|config| config.endpoint.id.as_str() == "good"), "{told}");
    }
    let resolved = resolve(&["10.0.17", "good", "also.good"], "__bmc_credential=dell");
    assert_eq!((resolved.endpoints.len(), resolved.problems.len()), (2, 1));
}

#[test]
fn a_password_in_a_target_is_not_shown_and_a_variable_is_not_read() {
    let resolved = resolve(&["root:hunter2@10.0.0.1"], "__bmc_credential=dell");
    let told = resolved.problems[0].to_string();
    assert!(told.contains("***@10.0.0.1") && !told.contains("hunter2"), "{told}");
    let resolved = resolve(&["bmc"], "__bmc_credential=dell site=${PASSWORD} rack=$${x} u=${");
    assert_eq!(resolved.problems, []);
    let labels: Vec<&str> = resolved.endpoints[0].endpoint.labels.values().map(String::as_str).collect();
    assert_eq!(labels, ["$${x}", "${PASSWORD}", "${"]);
}

#[test]
fn what_works_and_should_be_looked_at_is_told_too() {
    let resolved = resolve(&["http://bmc"], "__bmc_credential=dell __bmc_tls=insecure");
    let told: Vec<String> = resolved.problems.iter().map(ToString::to_string).collect();
    assert_eq!((resolved.endpoints.len(), told.len()), (1, 2), "{told:?}");
    assert!(told[0].contains("hint: pin the key: __bmc_tls = \"pin:sha256/...\""), "{told:?}");
    assert!(told[1].ends_with("hint: write https://"), "{told:?}");
}
