//! A pattern of ids: a text in which `*` stands for any characters. Letters count as they are written.

use std::fmt;

/// Ids that look alike, such as `r17-*` or `IDRAC.*.CPU*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// `None` for what no id can be: nothing, or a text with blanks or control characters.
    pub fn of(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        fits.then(|| Self(text.to_owned()))
    }

    /// Whether the id is one of those.
    pub fn matches(&self, id: &str) -> bool {
        self.fit(id).is_some()
    }

    /// How closely the id is described: by how many characters, and whether by all. Greater is closer; `None` where it is
    /// not one of those.
    pub fn fit(&self, id: &str) -> Option<(usize, bool)> {
        let mut parts = self.0.split('*');
        let rest = id.strip_prefix(parts.next().unwrap_or_default())?;
        let characters = self.0.chars().filter(|c| *c != '*').count() + 1;
        let Some(last) = parts.next_back() else {
            return rest.is_empty().then_some((characters, true));
        };
        let mut rest = rest.strip_suffix(last)?;
        for part in parts {
            // The first place is as good as any: what follows only needs room.
            rest = &rest[rest.find(part)? + part.len()..];
        }
        Some((characters, false))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
