//! How the daemon is and what is attached: `/health`, `/ready`, `/devices`, `/withheld`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::routes::Site;
use crate::event::{Backend, DeviceInfo, Event};
use crate::host::LoopDelay;
use crate::hub::{Health, HealthStatus};
use crate::platform::bus::Drivers;
use crate::ready::Readiness;
use crate::withheld::Withheld;

/// How long the event loop has for a sign of life. The answer is to come within 50 ms whatever it does.
const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WholeHealth {
    #[serde(flatten)]
    health: Health,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_loop: Option<LoopDelay>,
}

/// What `/health` says, and whether it is good news.
pub(super) async fn whole_health(site: &Site) -> (StatusCode, WholeHealth) {
    let event_loop = match &site.event_loop {
        Some(event_loop) => Some(event_loop.delay(PATIENCE).await),
        None => None,
    };
    let health = site.hub.health();
    let status = match health.status {
        HealthStatus::Healthy | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, WholeHealth { health, event_loop })
}

pub(super) async fn health(State(site): State<Arc<Site>>) -> (StatusCode, Json<WholeHealth>) {
    let (status, health) = whole_health(&site).await;
    (status, Json(health))
}

pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(site): State<Arc<Site>>) -> (StatusCode, &'static str) {
    if site.hub.health().started {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

#[derive(Serialize)]
struct ListedDevice<'a> {
    #[serde(flatten)]
    info: DeviceInfo<'a>,
    name: String,
    drivers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readiness: Option<Arc<Readiness>>,
}

impl<'a> ListedDevice<'a> {
    fn new(event: &'a Event, drivers: &Drivers, readiness: Option<Arc<Readiness>>) -> Self {
        let name = event.attachment.device.port_path.name();
        // What was simulated or only reported may have the port of another device.
        let is_the_kernels =
            matches!(event.backend, Backend::Netlink | Backend::Snapshot | Backend::UdevHelper);
        let drivers = if is_the_kernels { drivers.of(&name) } else { Vec::new() };
        Self { info: event.info(), name, drivers, readiness }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Devices<'a> {
    devices: Vec<ListedDevice<'a>>,
    held_back: Vec<Arc<Withheld>>,
}

pub(super) async fn devices(State(site): State<Arc<Site>>) -> Json<serde_json::Value> {
    let events = site.hub.devices();
    let listed =
        |event| ListedDevice::new(event, &site.drivers, site.hub.readiness(event.attachment.instance));
    let devices = events.iter().map(|event| listed(event)).collect();
    // Numbers, texts and lists: nothing in it can fail to be written.
    Json(serde_json::to_value(Devices { devices, held_back: site.hub.held_back() }).unwrap_or_default())
}

pub(super) async fn withheld(State(site): State<Arc<Site>>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "withheld": site.hub.withheld() }))
}
