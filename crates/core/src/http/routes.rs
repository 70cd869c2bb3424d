//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use tokio::sync::Semaphore;

use super::access::Access;
use super::answer::{Refusal, finish};
use super::events::{api_events, events};
use super::feed::Feed;
use super::follower::{Place, Store};
use super::metrics::scrape;
use super::{api, page, state};
use crate::error::shown;
use crate::host::EventLoop;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::platform::bus::Drivers;
use crate::settings::Settings;

const PATHS: [&str; 13] = [
    "/",
    "/health",
    "/live",
    "/ready",
    "/metrics",
    "/devices",
    "/withheld",
    "/events",
    "/api/v1/usb/status",
    "/api/v1/usb/devices",
    "/api/v1/usb/devices/{signature}",
    "/api/v1/usb/events/stream",
    "/api/v1/usb/config",
];

/// What requests are answered from.
pub(super) struct Site {
    pub(super) access: Access,
    pub(super) hub: Hub,
    pub(super) event_loop: Option<Arc<EventLoop>>,
    pub(super) drivers: Drivers,
    pub(super) settings: Arc<Settings>,
    pub(super) feed: Arc<Feed>,
    pub(super) store: Arc<Store>,
    pub(super) followers: Arc<Semaphore>,
    pub(super) metrics: Arc<Metrics>,
}

impl Site {
    /// Where numbers are, told of or stored.
    pub(super) fn place(&self) -> Place {
        let outbox = self.hub.outbox();
        match self.feed.last() {
            Some((producer, last)) if *producer == *outbox.producer => {
                Place { producer, last: last.max(outbox.last_seq) }
            }
            // A series that begins anew is the outbox's before any event of it is told.
            _ => Place { producer: outbox.producer.into(), last: outbox.last_seq },
        }
    }
}

pub(super) fn router(site: Arc<Site>) -> Router {
    let mut router = Router::new()
        .route("/health", get(state::health))
        .route("/live", get(state::live))
        .route("/ready", get(state::ready))
        .route("/metrics", get(scrape))
        .route("/devices", get(state::devices))
        .route("/withheld", get(state::withheld))
        .route("/events", get(events))
        .route("/api/v1/usb/status", get(api::status))
        .route("/api/v1/usb/devices", get(api::devices))
        .route("/api/v1/usb/devices/{signature}", get(api::device))
        .route("/api/v1/usb/events/stream", get(api_events))
        .route("/api/v1/usb/config", put(api::configure));
    for (path, answer) in page::files() {
        router = router.route(path, get(answer));
    }
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_like_that)
        .layer(from_fn_with_state(Arc::clone(&site), attend))
        .with_state(site)
}

/// Every request passes here, and every answer.
async fn attend(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (parts, body) = request.into_parts();
    let answer = match site.access.check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.into_response(),
    };
    finish(answer, &path)
}

async fn nothing_here(uri: Uri) -> Refusal {
    let message = format!("nothing is at {}: there is {}", shown(uri.path()), PATHS.join(", "));
    Refusal::new(StatusCode::NOT_FOUND, "ERR_USB_HTTP_PATH", message).with("paths", PATHS.to_vec())
}

async fn not_like_that(uri: Uri) -> Refusal {
    let message = format!("{} does not take that method: see the header Allow", shown(uri.path()));
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "ERR_USB_HTTP_METHOD", message)
}
