//! `/metrics`: all figures, for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::routes::Site;
use crate::metrics::Format;

/// How long a scrape waits for JavaScript's event loop to show that it is free.
const PATIENCE: Duration = Duration::from_millis(20);

/// Answers a scrape.
pub(super) async fn scrape(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    // Several lines of a header are one list.
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::negotiate(&accept.join(","));
    match format.write(site.metrics.ask(PATIENCE).await) {
        Ok(figures) => ([(CONTENT_TYPE, format.content_type())], figures).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
