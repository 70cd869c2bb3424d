//! AutoWeave's API, `/api/v1`: the same things in its own form.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Body};
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::{Refusal, success};
use super::query::{self, bad};
use super::routes::Site;
use super::state::whole_health;
use crate::config::hex;
use crate::device::Device;
use crate::error::shown;

/// Bytes of a configuration.
const LONGEST_BODY: usize = 64 * 1024;
/// How long it may take to come.
const BODY: Duration = Duration::from_secs(10);

pub(super) async fn status(State(site): State<Arc<Site>>) -> Response {
    let (_, health) = whole_health(&site).await;
    let outbox = site.hub.health().outbox;
    let mut data = json!({
        "running": true,
        "connectedDevices": site.hub.devices().len(),
        "queuedEvents": outbox.accounts.waiting,
        "health": health,
    });
    let in_force = site.settings.in_force();
    if let (Value::Object(data), Value::Object(in_force)) = (&mut data, in_force) {
        data.extend(in_force);
    }
    success(data)
}

pub(super) async fn devices(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, Refusal> {
    let [vendor, product, class] = query::read(uri.query(), ["vendor", "product", "class"])?;
    let vendor = digits("vendor", vendor.as_deref(), 4)?;
    let product = digits("product", product.as_deref(), 4)?;
    let class = digits("class", class.as_deref(), 2)?;
    let is_wanted = |device: &Device| {
        let is = |wanted: Option<u32>, found: u32| wanted.is_none_or(|wanted| wanted == found);
        is(vendor, device.descriptor.id_vendor.into())
            && is(product, device.descriptor.id_product.into())
            && class.is_none_or(|class| classes(device).any(|found| found == class))
    };
    let events = site.hub.devices();
    let wanted = events.iter().filter(|event| is_wanted(&event.attachment.device));
    Ok(success(wanted.map(|event| event.info()).collect::<Vec<_>>()))
}

/// Its own, and those of its interfaces.
fn classes(device: &Device) -> impl Iterator<Item = u32> {
    let own = u32::from(device.descriptor.b_device_class);
    std::iter::once(own).chain(device.interfaces.iter().map(|interface| interface.class.into()))
}

fn digits(key: &str, text: Option<&str>, most: usize) -> Result<Option<u32>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    match hex(text, most) {
        Some(number) => Ok(Some(number)),
        None => Err(bad(format!("{key} is {}: expected up to {most} hex digits", shown(text)))),
    }
}

pub(super) async fn device(
    State(site): State<Arc<Site>>,
    Path(signature): Path<String>,
) -> Result<Response, Refusal> {
    let events = site.hub.devices();
    // Of two with the same one, which the wrapping of addresses allows, the one that came last.
    let Some(event) = events.iter().rfind(|event| event.attachment.signature == signature) else {
        let message = format!("no device with the signature {} is attached", shown(&signature));
        return Err(Refusal::new(StatusCode::NOT_FOUND, "ERR_USB_HTTP_DEVICE", message));
    };
    Ok(success(event.info()))
}

/// Filters and limits, from now on until the daemon ends or reads its configuration again.
pub(super) async fn configure(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Refusal> {
    let refusal = |status, message: &str| Err(Refusal::new(status, "ERR_USB_HTTP_BODY", message));
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected JSON: send Content-Type: application/json",
        );
    }
    let Ok(body) = timeout(BODY, read(request.into_body())).await else {
        return refusal(StatusCode::REQUEST_TIMEOUT, "the configuration did not come in time");
    };
    let Some(body) = body else {
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the configuration is cut off, or longer than 64 KiB");
    };
    let changed = site.settings.change(&String::from_utf8_lossy(&body)).map_err(|error| {
        let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.code.as_str(), error.message);
        refusal.with("faults", error.faults)
    })?;
    Ok(success(changed))
}

async fn read(body: Body) -> Option<body::Bytes> {
    body::to_bytes(body, LONGEST_BODY).await.ok()
}
