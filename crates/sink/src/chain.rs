//! An error with all its causes on one line, for logs and status. Control characters are escaped, because a cause may
//! quote what a peer sent. Not here: a cap on its length; error chains are exempt from it.

use std::{error::Error, fmt};

/// Shows an error and its causes as `a: b: c`.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = Some(self.0);
        let mut separator = "";
        while let Some(error) = next {
            f.write_str(separator)?;
            for c in error.to_string().chars() {
                if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
            }
            separator = ": ";
            next = error.source();
        }
        Ok(())
    }
}
