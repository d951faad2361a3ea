//! An error with its causes on one line: `read page: connect: connection refused`.

use std::{error::Error, fmt};

/// Shows an error and all its causes, each once: many errors paste their cause into their own text.
///
/// Log it as the field `error`: that field is not cut.
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.to_string();
        f.write_str(&shown)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !shown.ends_with(&text) {
                write!(f, ": {text}")?;
                shown = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("read page")]
        Linked(#[source] Inner),
        #[error("read page: {0}")]
        Pasted(#[source] Inner),
    }

    #[derive(Debug, thiserror::Error)]
    #[error("connect")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn every_cause_is_shown_once_even_where_it_was_pasted() {
        let inner = || Inner(std::io::Error::other("refused"));
        assert_eq!(Chain(&Outer::Linked(inner())).to_string(), "read page: connect: refused");
        assert_eq!(Chain(&Outer::Pasted(inner())).to_string(), "read page: connect: refused");
    }
}
