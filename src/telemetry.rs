//! What a thread of JavaScript's exports. Its facade is `js/telemetry.js`.

use std::collections::BTreeMap;
use std::sync::Arc;

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use usb_daemon_core::{Code, Settings, Signal, Telemetry, Wake};

use crate::failure::{Result, failure};

/// Where telemetry goes: given to each daemon that starts.
#[napi]
pub struct NativeTelemetry {
    telemetry: Arc<Telemetry>,
    warnings: Vec<String>,
}

#[napi]
impl NativeTelemetry {
    /// `variables` are those of the environment as JSON. `relay` is called whenever traces begin to wait that the host exports.
    #[napi(constructor, catch_unwind)]
    pub fn new(variables: String, relay: Option<Function<(), ()>>) -> Result<Self> {
        let system = |reason: String| napi::Error::new(Code::System, reason);
        let variables: BTreeMap<String, String> =
            serde_json::from_str(&variables).map_err(|error| system(format!("no variables: {error}")))?;
        let relay = relay
            .map(|relay| relay.build_threadsafe_function::<()>().weak::<true>().build())
            .transpose()
            .map_err(|error| system(error.reason.clone()))?
            .map(|relay| {
                Box::new(move || {
                    // Refused only while the environment is being torn down: nobody is left to relay anything.
                    let _ = relay.call((), ThreadsafeFunctionCallMode::NonBlocking);
                }) as Wake
            });
        let (settings, warnings) = Settings::read(&|name| variables.get(name).cloned());
        Ok(Self { telemetry: Telemetry::new(settings, relay).map_err(failure)?, warnings })
    }

    /// What in the variables has no effect.
    #[napi(catch_unwind)]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Whether this signal (`traces`, `metrics`, `logs`) is exported, so that nobody else should.
    #[napi(catch_unwind)]
    pub fn exports(&self, signal: String) -> bool {
        let signals = [Signal::Traces, Signal::Metrics, Signal::Logs];
        signals.into_iter().any(|known| known.as_str() == signal && self.telemetry.settings().exports(known))
    }

    /// Traces that wait for whoever relays them, as JSON: `{ more, traces }`. Until `more` is false there is no further wake-up.
    #[napi(catch_unwind)]
    pub fn take_traces(&self) -> Result<String> {
        let (traces, more) = self.telemetry.take_traces();
        let traces = serde_json::to_string(&traces)
            .map_err(|error| napi::Error::new(Code::System, format!("traces cannot be written: {error}")))?;
        Ok(format!("{{\"more\":{more},\"traces\":{traces}}}"))
    }
}

impl NativeTelemetry {
    /// For a daemon that starts.
    pub(crate) fn shared(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }
}
