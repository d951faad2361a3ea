//! A message registry: the texts that go with `MessageId`s (T50; DSP0266 message registries, DSP8011).
//!
//! It comes from a BMC, so everything about it is bounded, and one definition that cannot be read costs only itself.
//! Not here: where registries are found (`client/registries`), and who keeps them (`registries`).

use std::{
    collections::{BTreeMap, HashMap},
    io::Read,
};

use flate2::read::GzDecoder;
use model::Severity;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{json, severity, text, text::loose::Text};

/// A registry that was packed may be this large: iDRAC's has 6 MB.
const UNPACKED_BYTES_MAX: u64 = 16 << 20;
/// Messages of one registry; iDRAC's has about 5,000.
const MESSAGES_MAX: usize = 20_000;
/// A longer text is no message.
const TEXT_BYTES_MAX: usize = 4096;
/// What the texts of one registry may take; iDRAC's take less than 1 MB.
const TEXTS_BYTES_MAX: usize = 4 << 20;
/// Longest name of a registry or key: `NvidiaUpdate` and the like have 20 characters.
const NAME_BYTES_MAX: usize = 128;

/// Which registry a MessageId is of: `iLOEvents.3.15` of `iLOEvents.3.15.ServerPoweredOn`. Names count in any case:
/// iDRAC writes `IDRAC.2.9` in one place and `iDRAC.2.9` in another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RegistryId {
    prefix: String,
    major: u32,
    minor: u32,
}

/// How well a registry serves for another's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// Another minor version: messages are only added to a major version.
    Related,
    /// The version asked for, or one that does not say.
    Exact,
}

impl RegistryId {
    /// The registry and the key of `Registry.Major.Minor.Key`; a patch level may follow the minor version. `None` for ids
    /// of another form (T49).
    pub(crate) fn of(message_id: &str) -> Option<(Self, &str)> {
        let (prefix, rest) = message_id.trim().split_once('.')?;
        let (major, rest) = rest.split_once('.')?;
        let (minor, key) = rest.split_once('.')?;
        let key = key.split_once('.').filter(|(patch, _)| is_number(patch)).map_or(key, |(_, key)| key);
        let named = !prefix.is_empty() && prefix.len() <= NAME_BYTES_MAX && !key.is_empty();
        if !named || !is_number(major) || !is_number(minor) {
            return None;
        }
        let id = Self {
            prefix: prefix.to_ascii_lowercase(),
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        };
        Some((id, key))
    }

    /// Whether the registry that is called so has our messages.
    pub(crate) fn fit(&self, name: &str) -> Option<Fit> {
        let mut parts = name.trim().split('.');
        if !parts.next()?.eq_ignore_ascii_case(&self.prefix) {
            return None;
        }
        match (parts.next().map(str::parse::<u32>), parts.next().map(str::parse::<u32>)) {
            (None, _) => Some(Fit::Exact),
            (Some(Ok(major)), Some(Ok(minor))) if major == self.major => {
                Some(if minor == self.minor { Fit::Exact } else { Fit::Related })
            }
            (Some(Ok(major)), None) if major == self.major => Some(Fit::Exact),
            _ => None,
        }
    }

    /// How promising a member of the Registries collection is by the last part of its link; the lowest comes first.
    pub(crate) fn rank(&self, link: &str) -> u8 {
        let name = link.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let own = name
            .strip_prefix(&self.prefix)
            .filter(|rest| rest.is_empty() || rest.starts_with(['.', '_', '-']));
        match (self.fit(&name), own) {
            (Some(Fit::Exact), _) => 0,
            (Some(Fit::Related), _) | (None, Some(_)) => 1,
            // iDRAC calls its own `Messages`.
            (None, None) if name.contains("message") => 2,
            (None, None) => 3,
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The texts of one registry.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    messages: HashMap<Box<str>, Wording>,
    bytes: usize,
}

/// What one key says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wording {
    template: Box<str>,
    /// [`Severity::Unknown`] where the registry says none.
    pub(crate) severity: Severity,
}

impl Wording {
    /// The text with these arguments; `None` when it would be longer than a text may be.
    pub(crate) fn with(&self, args: &[String]) -> Option<String> {
        text::filled(&self.template, args, TEXT_BYTES_MAX)
    }
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Definition<'a> {
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    message_severity: Text<'a>,
    #[serde(borrow)]
    severity: Text<'a>,
}

impl Registry {
    /// Reads the file, packed or not: iLO packs it whatever was asked for. `Err` says why it is none.
    pub(crate) fn decode(body: &[u8]) -> Result<Self, String> {
        let mut unpacked = Vec::new();
        let body = if body.starts_with(&[0x1f, 0x8b]) {
            let mut reader = GzDecoder::new(body).take(UNPACKED_BYTES_MAX + 1);
            reader.read_to_end(&mut unpacked).map_err(|_| "its packing is broken".to_owned())?;
            if unpacked.len() as u64 > UNPACKED_BYTES_MAX {
                return Err(format!("unpacked it has more than {UNPACKED_BYTES_MAX} bytes"));
            }
            &unpacked[..]
        } else {
            body
        };
        let text = json::text(body)?;
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_str(&text).map_err(|_| "not an object".to_owned())?;
        let messages = fields.get("Messages").ok_or_else(|| "it has no Messages".to_owned())?;
        let messages: BTreeMap<String, &RawValue> =
            serde_json::from_str(messages.get()).map_err(|_| "Messages is no object".to_owned())?;
        let mut registry = Self::default();
        for (key, definition) in messages.into_iter().take(MESSAGES_MAX) {
            registry.take_in(key, definition);
        }
        Ok(registry)
    }

    fn take_in(&mut self, key: String, definition: &RawValue) {
        let Ok(definition) = serde_json::from_str::<Definition<'_>>(definition.get()) else { return };
        let Some(template) = definition.message.get() else { return };
        let bytes = key.len() + template.len();
        let fits = key.len() <= NAME_BYTES_MAX && template.len() <= TEXT_BYTES_MAX;
        if !fits || self.bytes + bytes > TEXTS_BYTES_MAX {
            return;
        }
        self.bytes += bytes;
        let severity = severity::first_known(&[definition.message_severity.get(), definition.severity.get()]);
        self.messages.insert(key.into(), Wording { template: template.trim().into(), severity });
    }

    /// What a key says.
    pub(crate) fn wording(&self, key: &str) -> Option<&Wording> {
        self.messages.get(key)
    }

    /// What its texts take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;

    fn id(text: &str) -> RegistryId {
        RegistryId::of(&format!("{text}.Key")).unwrap().0
    }

    #[test]
    fn the_registry_of_a_message_id_is_its_name_and_version() {
        let of = |text| RegistryId::of(text).map(|(id, key)| (id.prefix, id.major, id.minor, key));
        assert_eq!(of("iLOEvents.3.15.PowerOn"), Some(("iloevents".to_owned(), 3, 15, "PowerOn")));
        assert_eq!(of("Base.1.18.1.Success"), Some(("base".to_owned(), 1, 18, "Success")));
        for other in [
            "35.1017",
            "Bad User PWD",
            "7e012790",
            "A.1.2",
            "A.1.2.",
            ".1.2.K",
            "A.x.2.K",
            "A.99999999999.1.K",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_registry_of_another_minor_version_serves_and_one_of_another_major_does_not() {
        let wanted = id("iLOEvents.3.15");
        for (name, fit) in [
            ("iLOEvents.3.15", Some(Fit::Exact)),
            ("ILOEVENTS.3.15.2", Some(Fit::Exact)),
            ("iLOEvents", Some(Fit::Exact)),
            ("iLOEvents.3.16", Some(Fit::Related)),
            ("iLOEvents.2.15", None),
            ("iLOEventsExtra.3.15", None),
            ("Base.3.15", None),
        ] {
            assert_eq!(wanted.fit(name), fit, "{name}");
        }
        let mut links =
            ["/r/Base.1.18", "/r/Messages", "/r/iLOEvents.3.14/", "/r/iLOEvents.3.15", "/r/BiosAttributes"];
        links.sort_by_key(|link| wanted.rank(link));
        assert_eq!(
            links,
            ["/r/iLOEvents.3.15", "/r/iLOEvents.3.14/", "/r/Messages", "/r/Base.1.18", "/r/BiosAttributes"]
        );
    }

    #[test]
    fn a_registry_is_read_packed_or_not_and_an_odd_message_costs_only_itself() {
        let file = json!({"Messages": {
            "PowerOn": {"Message": "Server %1 powered on.", "Severity": "OK"},
            "Fan": {"Message": "Fan %1 failed.", "MessageSeverity": "Critical", "Severity": "Warning"},
            "Odd": 7, "Empty": {"Message": ""}, "Long": {"Message": "x".repeat(TEXT_BYTES_MAX + 1)},
        }})
        .to_string();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(file.as_bytes()).unwrap();
        for body in [file.clone().into_bytes(), packed.finish().unwrap()] {
            let registry = Registry::decode(&body).unwrap();
            assert_eq!(registry.messages.len(), 2);
            let fan = registry.wording("Fan").unwrap();
            assert_eq!(
                (fan.with(&["7".to_owned()]).unwrap(), fan.severity),
                ("Fan 7 failed.".to_owned(), Severity::Critical)
            );
            assert_eq!(registry.bytes(), "PowerOnFan".len() + "Server %1 powered on.Fan %1 failed.".len());
        }
    }

    #[test]
    fn what_is_no_registry_is_refused() {
        for body in ["", "[]", "{}", r#"{"Messages":[]}"#, "<html>", "\u{1f}\u{8b}"] {
            Registry::decode(body.as_bytes()).unwrap_err();
        }
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![b' '; 1 << 20];
        for _ in 0..17 {
            bomb.write_all(&zeros).unwrap();
        }
        let bomb = bomb.finish().unwrap();
        assert!(bomb.len() < 1 << 20);
        assert!(Registry::decode(&bomb).unwrap_err().contains("more than"));
        assert_eq!(Registry::decode(&[0x1f, 0x8b, 8, 0]).unwrap_err(), "its packing is broken");
    }

    #[test]
    fn messages_max_and_texts_bytes_max_bound_what_a_registry_keeps() {
        let file = |messages: usize, length: usize| {
            let text = "x".repeat(length);
            let messages: Vec<String> =
                (0..messages).map(|key| format!(r#""{key}":{{"Message":"{text}"}}"#)).collect();
            format!(r#"{{"Messages":{{{}}}}}"#, messages.join(","))
        };
        let many = Registry::decode(file(MESSAGES_MAX + 1000, 1).as_bytes()).unwrap();
        assert_eq!(many.messages.len(), MESSAGES_MAX);
        let long = Registry::decode(file(2000, TEXT_BYTES_MAX).as_bytes()).unwrap();
        assert!(long.bytes() <= TEXTS_BYTES_MAX && long.bytes() > TEXTS_BYTES_MAX - 2 * TEXT_BYTES_MAX);
    }
}
