//! The stdout sink: JSON lines for a pipe, a readable table for a terminal.
//!
//! A batch is written and flushed before it is acknowledged; a pipe gives no other word, so "delivered" means that the
//! kernel took it. Writing happens on a thread of its own kind, because a reader that does not read blocks it.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use journal::Stored;
use model::codec;

use crate::table::{Colour, Table};

/// What the operator chose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StdoutConfig {
    /// In which form.
    pub form: StdoutForm,
}

/// How records look on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StdoutForm {
    /// A table when stdout is a terminal, JSON lines otherwise.
    #[default]
    Auto,
    /// JSON lines.
    Lines,
    /// A table.
    Table,
}

/// A batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum StdoutError {
    /// The other end of the pipe is closed: nobody will ever read it.
    #[error("write to stdout: its reader is gone")]
    ReaderGone,
    /// The system refused.
    #[error("write to stdout")]
    Write(#[source] io::Error),
    /// The thread that wrote has ended.
    #[error("write to stdout in the background")]
    Task(#[source] tokio::task::JoinError),
}

/// A stdout sink.
#[derive(Debug)]
pub(crate) struct StdoutSink {
    form: Form,
}

/// The form, decided.
#[derive(Debug, Clone, Copy)]
enum Form {
    Lines,
    Table { header: bool, colour: Colour },
}

impl StdoutSink {
    pub(crate) fn new(config: StdoutConfig) -> Self {
        let terminal = io::stdout().is_terminal();
        let colour = if terminal { Colour::Ansi } else { Colour::Plain };
        let form = match (config.form, terminal) {
            (StdoutForm::Lines, _) | (StdoutForm::Auto, false) => Form::Lines,
            (StdoutForm::Table, _) | (StdoutForm::Auto, true) => Form::Table { header: true, colour },
        };
        Self { form }
    }

    /// Writes the batch and flushes it.
    ///
    /// There is no deadline here: a reader may pause for as long as it likes, and only this sink waits for it.
    pub(crate) async fn deliver(&mut self, batch: Arc<[Stored]>) -> Result<(), StdoutError> {
        let form = self.form;
        let work = move || write_all(&mut io::stdout().lock(), &render(form, &batch));
        tokio::task::spawn_blocking(work).await.map_err(StdoutError::Task)??;
        if let Form::Table { header, .. } = &mut self.form {
            *header = false;
        }
        Ok(())
    }
}

fn render(form: Form, batch: &[Stored]) -> Vec<u8> {
    let mut out = Vec::new();
    match form {
        Form::Lines => {
            for stored in batch {
                codec::write_line(stored.position, &stored.bytes, &mut out);
            }
        }
        Form::Table { header, colour } => {
            let table = Table::for_terminal(colour);
            if header {
                table.write_header(&mut out);
            }
            for stored in batch {
                table.write_stored(stored.position, &stored.bytes, &mut out);
            }
        }
    }
    out
}

fn write_all(to: &mut impl Write, bytes: &[u8]) -> Result<(), StdoutError> {
    to.write_all(bytes).and_then(|()| to.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => StdoutError::ReaderGone,
        _ => StdoutError::Write(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(position: u64, body: &str) -> Stored {
        Stored { position, at_ms: 0, bytes: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_batch_becomes_one_line_per_record() {
        let text = render(Form::Lines, &[stored(1, r#"{"a":1}"#), stored(2, "{\"b\":\n2}")]);
        let expected = "{\"schema\":1,\"position\":1,\"a\":1}\n{\"schema\":1,\"position\":2,\"b\": 2}\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn a_pipe_whose_reader_is_gone_is_told_from_other_trouble() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        assert!(matches!(write_all(&mut writer, b"x"), Err(StdoutError::ReaderGone)));
        let mut full = io::Cursor::new([0_u8; 1]);
        assert!(matches!(write_all(&mut full, b"xx"), Err(StdoutError::Write(_))));
    }
}
