//! The closed set of sinks: what an operator can choose, and what runs for it.
//!
//! A sink's word is the return of `deliver`: when it is `Ok`, the batch is where it should be (on disk, written to the
//! pipe) and may be acknowledged. Not here: reading, retrying, acknowledging (`pump`).

use journal::{Journal, Stored};

use crate::{
    file::{FileConfig, FileError, FileSink},
    stdout::{StdoutConfig, StdoutError, StdoutSink},
};

/// What an operator asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkConfig {
    /// `type = "stdout"`.
    Stdout(StdoutConfig),
    /// `type = "file"`.
    File(FileConfig),
}

impl SinkConfig {
    /// The word of `type`, which is also a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::File(_) => "file",
        }
    }

    pub(crate) fn build(self) -> Sink {
        match self {
            Self::Stdout(config) => Sink::Stdout(StdoutSink::new(config)),
            Self::File(config) => Sink::File(FileSink::new(config)),
        }
    }
}

/// A running sink.
#[derive(Debug)]
pub(crate) enum Sink {
    Stdout(StdoutSink),
    File(FileSink),
}

impl Sink {
    /// Carries a batch out, whole and in order. After an error any part of it may have been written.
    pub(crate) async fn deliver(&mut self, batch: Vec<Stored>, journal: &Journal) -> Result<(), SinkError> {
        match self {
            Self::Stdout(sink) => sink.deliver(batch).await?,
            Self::File(sink) => sink.deliver(batch, journal).await?,
        }
        Ok(())
    }
}

/// A batch was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// By the stdout sink.
    #[error(transparent)]
    Stdout(#[from] StdoutError),
    /// By the file sink.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Try again after a wait, for ever.
    Retry,
    /// It can never work again in this process.
    End,
}

impl SinkError {
    pub(crate) fn recovery(&self) -> Recovery {
        match self {
            Self::Stdout(StdoutError::ReaderGone) => Recovery::End,
            Self::Stdout(StdoutError::Write(_) | StdoutError::Task(_)) | Self::File(_) => Recovery::Retry,
        }
    }
}
