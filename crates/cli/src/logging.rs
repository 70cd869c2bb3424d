//! Logs: to stderr, for a person on a terminal and as JSON in a pipe; and to a collector, where the environment names one.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, registry};
use usb_daemon_core::{Signal, Telemetry};

use crate::exported::Lines;

/// Starts logging at `RUST_LOG`, else `LOG_LEVEL`, else errors only: what a run has to say it says in its own lines. A collector
/// gets the life cycle as well.
pub(crate) fn start(telemetry: Option<&Arc<Telemetry>>) -> Result<(), String> {
    let logger = if stderr().is_terminal() {
        fmt::layer().with_writer(stderr).boxed()
    } else {
        fmt::layer().json().with_writer(stderr).boxed()
    };
    let telemetry = telemetry.filter(|telemetry| telemetry.settings().exports(Signal::Logs));
    let exported = match telemetry {
        Some(telemetry) => Some(Lines(Arc::clone(telemetry)).with_filter(filter(LevelFilter::INFO)?)),
        None => None,
    };
    // Refused where the process has a logger already: that one is the host's, and stays.
    let _ = registry().with(logger.with_filter(filter(LevelFilter::ERROR)?)).with(exported).try_init();
    Ok(())
}

/// What is asked for, or from this level on.
fn filter(otherwise: LevelFilter) -> Result<EnvFilter, String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = |level: LevelFilter| EnvFilter::default().add_directive(level.into());
    match (set("RUST_LOG"), set("LOG_LEVEL")) {
        (Some(directives), _) => {
            EnvFilter::try_new(&directives).map_err(|error| format!("RUST_LOG is {directives:?}: {error}"))
        }
        (None, Some(name)) => name
            .parse()
            .map(level)
            .map_err(|_| format!("LOG_LEVEL is {name:?}: expected error, warn, info, debug or trace")),
        (None, None) => Ok(level(otherwise)),
    }
}
