//! Message registries that a BMC serves: the texts for entries that have only a `MessageId` (T50). Plain data
//! and its JSON; who has which registry is said by the flavour.

use serde_json::{Value, json};

use crate::truth::Severity;

/// Path of the collection.
pub(crate) const PATH: &str = "/redfish/v1/Registries";

/// One message registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRegistry {
    /// `RegistryPrefix`, such as `iLOEvents`.
    pub prefix: &'static str,
    /// `RegistryVersion`, such as `3.15.0`.
    pub version: &'static str,
    /// Key, text with `%1` and so on for arguments, and severity of each message.
    pub messages: &'static [(&'static str, &'static str, Severity)],
}

impl MessageRegistry {
    fn name(&self) -> String {
        format!("{}.{}", self.prefix, self.version)
    }

    /// The file that tells where the registry is.
    pub(crate) fn file(&self) -> Value {
        let name = self.name();
        json!({
            "@odata.id": format!("{PATH}/{name}"),
            "@odata.type": "#MessageRegistryFile.v1_1_3.MessageRegistryFile",
            "Id": name,
            "Name": format!("{} Message Registry File", self.prefix),
            "Registry": name,
            "Languages": ["en"],
            "Location": [{ "Language": "en", "Uri": format!("{PATH}/{name}/{}.json", self.prefix) }],
        })
    }

    fn body(&self) -> Value {
        let messages = self.messages.iter().map(|(key, text, severity)| {
            let arguments = (1..=9).take_while(|nth| text.contains(&format!("%{nth}"))).count();
            let message = json!({
                "Description": text,
                "Message": text,
                "Severity": severity.as_str(),
                "MessageSeverity": severity.as_str(),
                "NumberOfArgs": arguments,
                "ParamTypes": vec!["string"; arguments],
                "Resolution": "None.",
            });
            ((*key).to_owned(), message)
        });
        json!({
            "@odata.type": "#MessageRegistry.v1_4_1.MessageRegistry",
            "Id": self.name(),
            "Name": format!("{} Message Registry", self.prefix),
            "Language": "en",
            "RegistryPrefix": self.prefix,
            "RegistryVersion": self.version,
            "OwningEntity": "Simulator",
            "Messages": messages.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// The ids of the registries' files.
pub(crate) fn ids(registries: &[MessageRegistry]) -> Vec<String> {
    registries.iter().map(MessageRegistry::name).collect()
}

/// What lies below the collection: a registry's file or the registry itself.
pub(crate) fn below(registries: &[MessageRegistry], under: &[&str]) -> Option<Value> {
    let of = |id: &str| registries.iter().find(|registry| registry.name() == id);
    match under {
        [id] => Some(of(id)?.file()),
        [id, file] => {
            of(id).filter(|found| format!("{}.json", found.prefix) == *file).map(MessageRegistry::body)
        }
        _ => None,
    }
}
