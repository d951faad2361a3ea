//! The page at `/`: what this is and where to go, without a script or a style sheet.

use axum::response::Html;

const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>bmcwatch</title></head>\n<body>\n",
    "<h1>bmcwatch</h1>\n<p>BMC health-monitoring daemon, version ",
    env!("CARGO_PKG_VERSION"),
    ".</p>\n<ul>\n",
    "<li><a href=\"/api/v1/endpoints\">Endpoints</a> (<code>?state=&amp;limit=&amp;after=</code>)</li>\n",
    "<li><a href=\"/api/v1/sinks\">Sinks</a></li>\n",
    "<li><a href=\"/metrics\">Metrics</a></li>\n",
    "<li><a href=\"/-/healthy\">Healthy</a>, <a href=\"/readyz?verbose\">ready</a></li>\n",
    "</ul>\n</body>\n</html>\n",
);

/// The page.
pub(super) async fn get() -> Html<&'static str> {
    Html(PAGE)
}
