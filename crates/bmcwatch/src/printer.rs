//! Records on standard output, for `events` and `tail`: the table of the stdout sink, or JSON lines.
//!
//! It flushes what it prints, so that a pipe sees each record when it comes.

use std::io::{self, IsTerminal, Write};

use model::codec;
use sink::{Colour, Table};

use crate::terminal;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON lines, as the daemon sends them.
    Lines,
    /// A table for people.
    Table,
}

impl Form {
    /// What `--json` asks for.
    pub(crate) fn asked(json: bool) -> Self {
        if json { Self::Lines } else { Self::Table }
    }
}

/// Prints lines that the daemon sent.
pub(crate) struct Printer {
    form: Form,
    is_terminal: bool,
    table: Table,
    header: bool,
}

impl Printer {
    pub(crate) fn new(form: Form) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let colour = if is_terminal { Colour::Ansi } else { Colour::Plain };
        Self { form, is_terminal, table: Table::for_terminal(colour), header: form == Form::Table }
    }

    /// Prints the header, if there is one, before anything has come.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.print([])
    }

    /// Prints records, each given as its JSON line.
    pub(crate) fn print<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let mut out = Vec::new();
        if std::mem::take(&mut self.header) {
            self.table.write_header(&mut out);
        }
        for line in lines {
            self.write(line, &mut out);
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }

    fn write(&self, line: &str, out: &mut Vec<u8>) {
        match self.form {
            Form::Lines if self.is_terminal => out.extend_from_slice(terminal::clean_json(line).as_bytes()),
            Form::Lines => out.extend_from_slice(line.as_bytes()),
            Form::Table => {
                match codec::read_line(line.as_bytes()) {
                    Ok((_, record)) => self.table.write_row(&record, out),
                    // A newer daemon may know words that we do not.
                    Err(_) => out.extend_from_slice(format!("{}\n", terminal::clean(line)).as_bytes()),
                }
                return;
            }
        }
        out.push(b'\n');
    }
}
