//! Events as they come, as server-sent events: what has been since a client left off, then what comes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::answer::Refusal;
use super::connections::most;
use super::follower::{Follower, From};
use super::query::{self, bad};
use super::routes::Site;
use super::wording::Wording;
use crate::error::shown;

const FORM: &str = "expected <producer>:<seq>, or <seq>";

/// `/events`
pub(super) async fn events(
    State(site): State<Arc<Site>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    follow(&site, Wording::Events, &method, &uri, &headers)
}

/// `/api/v1/usb/events/stream`
pub(super) async fn api_events(
    State(site): State<Arc<Site>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    follow(&site, Wording::Api, &method, &uri, &headers)
}

/// Who watches at once; the rest of the connections is for those who ask.
pub(super) fn most_followers() -> usize {
    most() / 4
}

fn follow(
    site: &Site,
    wording: Wording,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let from = read_from(uri.query(), headers)?;
    let kind = [(CONTENT_TYPE, "text/event-stream")];
    if method == Method::HEAD {
        return Ok(kind.into_response());
    }
    let slot = Arc::clone(&site.followers).try_acquire_owned().map_err(|_| {
        let most = most_followers();
        let message = format!("{most} clients follow the events already; try again later");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ERR_USB_HTTP_BUSY", message)
    })?;
    let store = Arc::clone(&site.store);
    let follower = Follower::new(&site.feed, store, wording, &from, || site.place(), slot);
    let pieces = stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), follower))
    });
    Ok((kind, Body::from_stream(pieces)).into_response())
}

/// A browser that comes again says with which event it has ended, whatever stands in the address.
fn read_from(query: Option<&str>, headers: &HeaderMap) -> Result<From, Refusal> {
    let [since, last] = query::read(query, ["since", "last"])?;
    if let Some(id) = headers.get("last-event-id").filter(|id| !id.is_empty()) {
        let id = id.to_str().unwrap_or_default();
        return event_id(id).ok_or_else(|| bad(format!("the header Last-Event-ID is {}: {FORM}", shown(id))));
    }
    match (since, last) {
        (Some(_), Some(_)) => Err(bad("since and last say different things: one is enough")),
        (Some(since), None) => {
            event_id(&since).ok_or_else(|| bad(format!("since is {}: {FORM}", shown(&since))))
        }
        (None, Some(last)) => match number(&last) {
            Some(count) => Ok(From::Last(count)),
            None => Err(bad(format!("last is {}: expected how many events", shown(&last)))),
        },
        (None, None) => Ok(From::Now),
    }
}

fn event_id(text: &str) -> Option<From> {
    match text.rsplit_once(':') {
        Some((producer, seq)) if !producer.is_empty() => {
            Some(From::After(Some(producer.to_owned()), number(seq)?))
        }
        Some(_) => None,
        None => Some(From::After(None, number(text)?)),
    }
}

/// Digits only: `parse` would take a sign too.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn from(query: &str, id: Option<&str>) -> Option<From> {
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            headers.insert("last-event-id", HeaderValue::from_str(id).expect("a header"));
        }
        read_from(Some(query), &headers).ok()
    }

    #[test]
    fn where_to_begin_is_a_header_or_a_parameter() {
        let after = |producer: &str, seq| Some(From::After(Some(producer.into()), seq));
        assert_eq!(from("", None), Some(From::Now));
        assert_eq!(from("", Some("")), Some(From::Now));
        assert_eq!(from("since=ab%3A7", None), after("ab", 7));
        assert_eq!(from("since=7", None), Some(From::After(None, 7)));
        assert_eq!(from("last=500", None), Some(From::Last(500)));
        assert_eq!(from("last=500", Some("ab:7")), after("ab", 7));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for query in [
            "since=",
            "since=:7",
            "since=ab:",
            "since=-1",
            "since=%2B1",
            "last=x",
            "last=",
            "last=1&since=1",
            "sinse=1",
            "last=1&last=2",
        ] {
            assert_eq!(from(query, None), None, "{query}");
        }
        assert_eq!(from("", Some("x")), None);
    }
}
