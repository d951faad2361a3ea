//! One source of endpoints, every default written out; what opens it is never written.

use super::{Page, sink};
use crate::config::{SourceConfig, SourceKind, quantity::duration_text};

pub(super) fn show(page: &mut Page, source: &SourceConfig) {
    match &source.kind {
        SourceKind::Files(files) => {
            page.header("[[discovery.file_sd]]");
            let files: Vec<String> = files.iter().map(|file| file.written().display().to_string()).collect();
            page.texts("files", &files);
        }
        SourceKind::Http { url, opening } => {
            page.header("[[discovery.http_sd]]");
            page.text("url", url.as_str());
            sink::show_login(page, &opening.login);
            sink::show_certificates(page, opening);
        }
    }
    page.text("refresh_interval", &duration_text(source.refresh_interval));
}
