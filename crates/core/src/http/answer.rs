//! Answers: JSON, refusals with stable codes, and the headers that every answer has.

use axum::Json;
use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::clock;

/// Scripts, styles and requests of this server's own files only; nothing inline, nothing framed, no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const ON_EVERY_ANSWER: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A request that is not granted. It becomes JSON on its way out, in the form of the part that was asked.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    /// Beside code and message.
    details: serde_json::Map<String, serde_json::Value>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: serde_json::Map::new() }
    }

    /// Says more in a form that programs read.
    pub(super) fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = self.status.into_response();
        let headers = answer.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"usb-daemon\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        answer.extensions_mut().insert(self);
        answer
    }
}

/// What `/api/v1` answers where all is well.
pub(super) fn success(data: impl Serialize) -> Response {
    Json(json!({ "status": "success", "data": data_of(data), "timestamp": clock::now_ms() })).into_response()
}

fn data_of(data: impl Serialize) -> serde_json::Value {
    // Numbers, texts and lists: nothing in it can fail to be written.
    serde_json::to_value(data).unwrap_or_default()
}

/// Gives an answer its headers, and a refusal its words.
pub(super) fn finish(mut answer: Response, path: &str) -> Response {
    if let Some(refusal) = answer.extensions_mut().remove::<Refusal>() {
        let Refusal { code, message, mut details, .. } = refusal;
        details.insert("code".into(), code.into());
        details.insert("message".into(), message.into());
        let words = if path.starts_with("/api/") {
            json!({ "status": "error", "error": details, "timestamp": clock::now_ms() })
        } else {
            json!({ "error": details })
        };
        *answer.body_mut() = Body::from(words.to_string());
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    add_headers(answer.headers_mut());
    answer
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in ON_EVERY_ANSWER {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
