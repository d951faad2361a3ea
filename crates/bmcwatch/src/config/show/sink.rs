//! One `[[sinks]]` table, every default written out.

use super::Page;
use crate::config::{
    FileSinkConfig, SinkConfig, SinkKind,
    quantity::{duration_text, size_text},
};

pub(super) fn show(page: &mut Page, sink: &SinkConfig) {
    page.header("[[sinks]]");
    page.text("name", &sink.name);
    page.text("type", sink.kind.as_str());
    let filter = &sink.selection.filter;
    if let Some(least) = filter.min_severity {
        page.text("min_severity", least.as_str());
    }
    if !filter.kinds.is_empty() {
        page.texts("kinds", &filter.kinds.iter().map(|kind| kind.as_str().to_owned()).collect::<Vec<_>>());
    }
    page.labels("labels", &filter.labels);
    if !filter.message_ids.is_empty() {
        let patterns: Vec<String> = filter.message_ids.iter().map(|pattern| pattern.0.clone()).collect();
        page.texts("message_ids", &patterns);
    }
    if let Some(lag) = sink.selection.max_lag {
        page.text("max_lag", &duration_text(lag));
    }
    match &sink.kind {
        SinkKind::Stdout => {}
        SinkKind::File(file) => show_file(page, file),
    }
}

fn show_file(page: &mut Page, file: &FileSinkConfig) {
    page.path("path", &file.path);
    page.text("max_size", &size_text(file.max_size));
    page.bare("max_files", &file.max_files.to_string());
}
