//! What a browser shows that opens an invitation link: a button that hands the link to the app.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");
const TEMPLATE: &str = include_str!("page.html");

static PAGE: LazyLock<String> = LazyLock::new(|| TEMPLATE.replace("{style}", STYLE).replace("{script}", SCRIPT));

/// Only this page's own script and style run, by their hashes; it loads nothing and sends nothing.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

/// The page at `/j`. The secret is in the link's fragment, which the browser keeps to itself; the script takes it out of
/// the address bar.
pub(crate) fn link() -> Response {
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY.as_str()), (header::CACHE_CONTROL, "no-store")];
    (headers, Html(PAGE.as_str())).into_response()
}
