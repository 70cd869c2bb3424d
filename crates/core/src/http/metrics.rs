//! `/metrics`, in the form that is asked for.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};

use super::answer::Refusal;
use super::routes::Site;

/// Gives content type and text for what a client accepts.
pub type Render = Arc<dyn Fn(&str) -> (String, String) + Send + Sync>;

pub(super) async fn metrics(State(site): State<Arc<Site>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let Some(render) = &site.metrics else {
        let message = "this daemon has no metrics";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "ERR_USB_HTTP_PATH", message));
    };
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (kind, text) = render(accept);
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}
