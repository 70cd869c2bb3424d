//! What a run exports by OpenTelemetry: what the variables `OTEL_*` ask for.

use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use usb_daemon_core::{Error, LogLine, Relay, Settings, Telemetry};

/// Where telemetry goes, and what is wrong with what was asked for.
pub(crate) struct Exported {
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) warnings: Vec<String>,
}

impl Exported {
    /// As the environment says.
    pub(crate) fn of_environment() -> Result<Self, Error> {
        let (settings, warnings) = Settings::of_process();
        Ok(Self { telemetry: Telemetry::new(settings, Relay::default(), None)?, warnings })
    }
}

/// Hands each line of the log on.
pub(crate) struct Lines(pub(crate) Arc<Telemetry>);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.log(LogLine::of(event));
    }
}
