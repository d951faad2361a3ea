//! The program's own log: one line per entry on stderr, JSON unless stderr is a terminal.
//!
//! Text from BMCs ends up here, so every field is capped at 4 KiB, with a marker that says how much was cut, and control
//! characters are escaped; only error chains, which are our own words, are written whole. What is worth a line is
//! decided where it is logged. Records never pass through here.

mod chain;
mod field;
mod level;
mod line;

use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use model::Clock;
use tracing::{Event, Level, Subscriber, span};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::MakeWriter,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

use crate::config::{LogConfig, LogFormat};
pub use chain::Chain;
use field::Fields;
pub use level::{LevelError, parse_level};
pub use line::Format;

/// Lines written so far, by level: ERROR, WARN, INFO, DEBUG, TRACE.
static LINES: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

/// How many lines were written since the start, by level word: `log_messages_total{level}`.
pub fn counts() -> [(&'static str, u64); 5] {
    let words = ["error", "warn", "info", "debug", "trace"];
    std::array::from_fn(|index| (words[index], LINES[index].load(Ordering::Relaxed)))
}

fn count(level: Level) {
    let index = match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    };
    LINES[index].fetch_add(1, Ordering::Relaxed);
}

/// The log is set up already, or its level cannot be changed any more.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A level that cannot be read.
    #[error("read the log level")]
    Level(#[from] LevelError),
    /// Another log is in place; a process has one.
    #[error("set up the log")]
    Taken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log is gone.
    #[error("change the log level")]
    Reload(#[source] reload::Error),
}

/// Changes what is logged while the program runs.
#[derive(Clone)]
pub struct Levels(reload::Handle<Targets, Registry>);

impl Levels {
    /// From now on log this, such as `info` or `info,collect=debug`. The format stays as it was at the start.
    pub fn set(&self, level: &str) -> Result<(), LoggingError> {
        let targets = parse_level(level)?;
        self.0.reload(targets).map_err(LoggingError::Reload)
    }
}

/// Sets the log of this process up. Call it once.
pub fn init(config: &LogConfig, clock: Clock) -> Result<Levels, LoggingError> {
    let format = match config.format {
        LogFormat::Text => Format::Text,
        LogFormat::Auto if io::stderr().is_terminal() => Format::Text,
        LogFormat::Auto | LogFormat::Json => Format::Json,
    };
    let (subscriber, levels) = subscriber(&config.level, format, clock, io::stderr)?;
    subscriber.try_init().map_err(|error| LoggingError::Taken(Box::new(error)))?;
    Ok(levels)
}

/// A subscriber that writes elsewhere, for tests and tools.
pub fn subscriber<W>(
    level: &str,
    format: Format,
    clock: Clock,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + 'static, Levels), LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let lines = Lines { format, clock, writer }.with_filter(filter);
    Ok((Registry::default().with(lines), Levels(handle)))
}

/// Writes each event as a line, with the fields of the spans around it.
struct Lines<W> {
    format: Format,
    clock: Clock,
    writer: W,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = line::line(self.format, self.clock.now(), metadata, &fields);
        count(*metadata.level());
        let mut writer = self.writer.make_writer_for(metadata);
        // Nobody is left to tell when stderr is closed.
        drop(writer.write_all(line.as_bytes()));
    }
}
