//! What a thread of JavaScript's exports. Its facade is `js/telemetry.js`.

use std::collections::BTreeMap;
use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi_derive::napi;
use usb_daemon_core::{BOUNDS_MS, Code, Relay, Settings, Signal, Telemetry, Wake, metric_names};

use crate::failure::{Result, failure};
use crate::waking::waking;

/// Where telemetry goes: given to each daemon that starts.
#[napi]
pub struct NativeTelemetry {
    telemetry: Arc<Telemetry>,
    warnings: Vec<String>,
}

#[napi]
impl NativeTelemetry {
    /// `variables` are those of the environment as JSON. `relay` is called whenever traces begin to wait that the host exports;
    /// `has_meter` says whether it asks for figures. Daemons of `earlier` may run yet.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        variables: String,
        relay: Option<Function<(), ()>>,
        has_meter: bool,
        earlier: Option<&NativeTelemetry>,
    ) -> Result<Self> {
        let system = |reason: String| napi::Error::new(Code::System, reason);
        let variables: BTreeMap<String, String> =
            serde_json::from_str(&variables).map_err(|error| system(format!("no variables: {error}")))?;
        let relay = relay.map(waking).transpose()?.map(|relay| Box::new(move || relay()) as Wake);
        let (settings, warnings) = Settings::read(&|name| variables.get(name).cloned());
        let relay = Relay { traces: relay, figures: has_meter };
        let earlier = earlier.map(|earlier| &*earlier.telemetry);
        Ok(Self { telemetry: Telemetry::new(settings, relay, earlier).map_err(failure)?, warnings })
    }

    /// What in the variables has no effect.
    #[napi(catch_unwind)]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Whether figures are left to the host.
    #[napi(catch_unwind)]
    pub fn leaves_figures(&self) -> bool {
        self.telemetry.settings().leaves(Signal::Metrics)
    }

    /// What figures there are, as JSON: `{ metrics, bounds }`, with the bounds of histograms in ms.
    #[napi(catch_unwind)]
    pub fn known_figures() -> String {
        serde_json::json!({ "metrics": metric_names::ALL, "bounds": BOUNDS_MS }).to_string()
    }

    /// For the host's meter, as JSON: `{ daemons: [[number, snapshot]], durations }`, with how long events took since the last
    /// call, in ms.
    #[napi(catch_unwind)]
    pub fn take_figures(&self) -> String {
        let figures = serde_json::json!({
            "daemons": self.telemetry.figures(),
            "durations": self.telemetry.take_durations(),
        });
        figures.to_string()
    }

    /// Traces that wait for whoever relays them, as JSON: `{ more, traces, lost }`. Until `more` is false there is no further
    /// wake-up. `lost` counts events whose traces found no room since the last call.
    #[napi(catch_unwind)]
    pub fn take_traces(&self) -> Result<String> {
        serde_json::to_string(&self.telemetry.take_traces())
            .map_err(|error| napi::Error::new(Code::System, format!("traces cannot be written: {error}")))
    }
}

impl NativeTelemetry {
    /// For a daemon that starts.
    pub(crate) fn shared(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }
}
