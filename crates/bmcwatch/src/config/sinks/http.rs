//! `type = "http"`: records posted in a form that a log store takes.

use sink::{Compression, HttpFormat};

use super::peer::{self, PeerConfig};
use crate::config::{
    problem::Refusal,
    reader::{Reader, Table},
};

/// Records posted over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSinkConfig {
    /// Where.
    pub peer: PeerConfig,
    /// In which form.
    pub format: HttpFormat,
    /// Labels of endpoints that name a stream.
    pub stream_labels: Vec<String>,
}

pub(super) const KEYS: [&str; 2] = ["format", "stream_labels"];

/// Names of formats.
pub(crate) const FORMATS: [(&str, HttpFormat); 4] = [
    ("ndjson", HttpFormat::Ndjson),
    ("loki", HttpFormat::Loki),
    ("victorialogs", HttpFormat::Victorialogs),
    ("elasticsearch", HttpFormat::Elasticsearch),
];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<HttpSinkConfig> {
    if !table.has("format") {
        let formats = FORMATS.map(|(word, _)| format!("{word:?}")).join(", ");
        let refusal = Refusal::new("a sink of type \"http\" needs a format");
        table.table_problem(reader, refusal.hint(format!("add format = one of {formats}")));
    }
    let format = table.word(reader, "format", &FORMATS);
    let stream_labels = table.texts(reader, "stream_labels").unwrap_or_default();
    let has_streams = !matches!(format, Some(HttpFormat::Ndjson | HttpFormat::Elasticsearch));
    if table.has("stream_labels") && !has_streams {
        let refusal = Refusal::new("this format has no streams");
        table.problem(
            reader,
            "stream_labels",
            refusal.hint("take the key out: every record carries all its labels"),
        );
    }
    let (packed, wanted) = match format {
        None | Some(HttpFormat::Ndjson) => (Compression::None, "https://logs.example.net"),
        Some(HttpFormat::Loki) => (Compression::Gzip, "https://loki.example.net/loki/api/v1/push"),
        Some(HttpFormat::Victorialogs) => (Compression::Gzip, "https://logs.example.net/insert/jsonline"),
        Some(HttpFormat::Elasticsearch) => (Compression::Gzip, "https://search.example.net/bmcwatch/_bulk"),
    };
    let peer = peer::read(reader, table, packed, wanted);
    Some(HttpSinkConfig { peer: peer?, format: format?, stream_labels })
}
