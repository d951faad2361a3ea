//! Subjects of records: a template such as `bmc.{label:site}.{endpoint}.{severity}`, filled in for a record.
//!
//! Pure. Whatever a BMC or an inventory says, what comes out is a subject with as many tokens as the template has, no wildcard in
//! it, and the template's own word in front: a stream that takes `bmc.>` takes all of it, and nothing leaves it.

use std::{fmt, str::FromStr};

use model::Record;

/// A longer token is cut.
const TOKEN_BYTES_MAX: usize = 128;
/// What servers take of a line that names a subject is 4 KiB: this many tokens fit into half of it.
const TOKENS_MAX: usize = 16;
/// What servers keep for themselves begins with these.
const RESERVED: [char; 2] = ['$', '_'];

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Fixed(String),
    Endpoint,
    Severity,
    Kind,
    Label(String),
}

/// A text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is no such placeholder.
    #[error("{{{0}}} stands for nothing")]
    Placeholder(String),
    /// It cannot be a token of a subject.
    #[error("{0:?} cannot be a part of a subject")]
    Token(String),
    /// What comes first is not written out.
    #[error("a subject begins with a word of its own, without $ or _ in front")]
    First,
    /// It would be too long.
    #[error("a subject has at most {TOKENS_MAX} parts, this one has {0}")]
    Long(usize),
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let tokens = text.split('.').map(token).collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > TOKENS_MAX {
            return Err(SubjectError::Long(tokens.len()));
        }
        match tokens.first() {
            Some(Token::Fixed(word)) if !word.starts_with(RESERVED) => Ok(Self { tokens }),
            _ => Err(SubjectError::First),
        }
    }
}

fn token(part: &str) -> Result<Token, SubjectError> {
    let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
        let plain = clean(part) == part && !part.contains(['{', '}']);
        return if plain {
            Ok(Token::Fixed(part.to_owned()))
        } else {
            Err(SubjectError::Token(part.to_owned()))
        };
    };
    let is_label =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (name, name.strip_prefix("label:").filter(is_label)) {
        ("endpoint", _) => Ok(Token::Endpoint),
        ("severity", _) => Ok(Token::Severity),
        ("kind", _) => Ok(Token::Kind),
        (_, Some(label)) => Ok(Token::Label(label.to_owned())),
        (_, None) => Err(SubjectError::Placeholder(name.to_owned())),
    }
}

impl Default for Subject {
    fn default() -> Self {
        let label = Token::Label("site".to_owned());
        Self { tokens: vec![Token::Fixed("bmc".to_owned()), label, Token::Endpoint, Token::Severity] }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, token) in self.tokens.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "." })?;
            match token {
                Token::Fixed(text) => f.write_str(text)?,
                Token::Endpoint => f.write_str("{endpoint}")?,
                Token::Severity => f.write_str("{severity}")?,
                Token::Kind => f.write_str("{kind}")?,
                Token::Label(name) => write!(f, "{{label:{name}}}")?,
            }
        }
        Ok(())
    }
}

impl Subject {
    pub(crate) fn of(&self, record: &Record) -> String {
        let token = |token: &Token| match token {
            Token::Fixed(text) => text.clone(),
            Token::Endpoint => clean(record.endpoint.id.as_str()),
            Token::Severity => record.facts.severity.as_str().to_owned(),
            Token::Kind => record.kind.as_str().to_owned(),
            Token::Label(name) => clean(record.endpoint.labels.get(name).map_or("", String::as_str)),
        };
        self.tokens.iter().map(token).collect::<Vec<_>>().join(".")
    }
}

/// A token: without dots, wildcards, blanks and what is not printable US-ASCII; `_` when nothing is there.
fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && !".*>".contains(c) { c } else { '_' };
    match text.chars().map(plain).take(TOKEN_BYTES_MAX).collect::<String>() {
        empty if empty.is_empty() => "_".to_owned(),
        token => token,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Endpoint, EndpointId, Facts, Kind, Origin, Severity, Uid};
    use proptest::prelude::*;

    use super::*;

    fn record(endpoint: &str, site: Option<&str>) -> Record {
        let endpoint = Endpoint {
            id: EndpointId::try_from(endpoint).unwrap(),
            address: "https://10.0.17.12".to_owned(),
            labels: site.map(|site| ("site".to_owned(), site.to_owned())).into_iter().collect(),
        };
        let facts = Facts {
            occurred_at: None,
            occurred_at_raw: None,
            severity: Severity::Warning,
            message: "x".to_owned(),
            message_id: None,
            message_args: Vec::new(),
            log_service: None,
            entry_id: None,
            event_id: None,
            origin: None,
            original: None,
        };
        Record {
            uid: Uid::derive([b"x".as_slice()]),
            kind: Kind::Entry,
            source: Origin::Poll,
            endpoint: Arc::new(endpoint),
            observed_at: "2026-11-20T13:59:00Z".parse().unwrap(),
            facts,
        }
    }

    #[test]
    fn a_record_goes_under_its_site_endpoint_and_severity() {
        let long = "x".repeat(200);
        let cut = format!("bmc.fra1.{}.warning", "x".repeat(TOKEN_BYTES_MAX));
        for (endpoint, site, expected) in [
            ("r17-u12", Some("fra1"), "bmc.fra1.r17-u12.warning"),
            ("10.0.17.12", Some("fra1"), "bmc.fra1.10_0_17_12.warning"),
            ("[fd00::1]:8443", None, "bmc._.[fd00::1]:8443.warning"),
            ("r17", Some(""), "bmc._.r17.warning"),
            ("*", Some(">"), "bmc._._.warning"),
            ("r17.>", Some("a b\r\nPUB x 0"), "bmc.a_b__PUB_x_0.r17__.warning"),
            ("größe", Some("東京"), "bmc.__.gr__e.warning"),
            (&long, Some("fra1"), &cut),
        ] {
            assert_eq!(Subject::default().of(&record(endpoint, site)), expected);
        }
        let other: Subject = "hw.{kind}.{label:rack}.v1".parse().unwrap();
        assert_eq!(other.of(&record("r17", None)), "hw.entry._.v1");
    }

    #[test]
    fn a_template_that_could_leave_its_stream_is_refused() {
        for (text, error) in [
            ("", SubjectError::Token(String::new())),
            ("bmc..x", SubjectError::Token(String::new())),
            ("bmc.>", SubjectError::Token(">".to_owned())),
            ("bmc.*.x", SubjectError::Token("*".to_owned())),
            ("bmc.a b", SubjectError::Token("a b".to_owned())),
            ("bmc.é", SubjectError::Token("é".to_owned())),
            ("bmc.host-{endpoint}", SubjectError::Token("host-{endpoint}".to_owned())),
            ("bmc.{site}", SubjectError::Placeholder("site".to_owned())),
            ("bmc.{label:}", SubjectError::Placeholder("label:".to_owned())),
            ("bmc.{label:a b}", SubjectError::Placeholder("label:a b".to_owned())),
            ("{label:site}.bmc", SubjectError::First),
            ("$JS.API.{endpoint}", SubjectError::First),
            ("_INBOX.{endpoint}", SubjectError::First),
            ("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", SubjectError::Long(17)),
        ] {
            assert_eq!(text.parse::<Subject>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_template_is_shown_as_it_was_written() {
        for text in ["bmc.{label:site}.{endpoint}.{severity}", "hw", "hw.{kind}.{label:rack}.v1"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        assert_eq!(Subject::default().to_string(), "bmc.{label:site}.{endpoint}.{severity}");
    }

    proptest! {
        #[test]
        fn any_label_and_any_id_give_a_subject_with_the_tokens_of_its_template(
            endpoint in "[^\\s\\p{C}]{1,60}", site in any::<String>()
        ) {
            let subject = Subject::default().of(&record(&endpoint, Some(&site)));
            let tokens: Vec<&str> = subject.split('.').collect();
            prop_assert_eq!(tokens.len(), 4);
            for token in tokens {
                prop_assert!((1..=TOKEN_BYTES_MAX).contains(&token.len()));
                prop_assert!(token.chars().all(|c| c.is_ascii_graphic() && !"*>".contains(c)), "{}", token);
            }
        }
    }
}
