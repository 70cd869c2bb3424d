//! Logs: to stderr, for a person on a terminal and as JSON in a pipe.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts logging at `RUST_LOG`, else `LOG_LEVEL`, else errors only: what a run has to say it says in its own lines.
pub(crate) fn start() -> Result<(), String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let level = |level: LevelFilter| EnvFilter::default().add_directive(level.into());
    let filter = match (set("RUST_LOG"), set("LOG_LEVEL")) {
        (Some(directives), _) => {
            EnvFilter::try_new(&directives).map_err(|error| format!("RUST_LOG is {directives:?}: {error}"))?
        }
        (None, Some(name)) => name
            .parse()
            .map(level)
            .map_err(|_| format!("LOG_LEVEL is {name:?}: expected error, warn, info, debug or trace"))?,
        (None, None) => level(LevelFilter::ERROR),
    };
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Refused where the process has a logger already: that one is the host's, and stays.
    let _ = if stderr().is_terminal() { logger.try_init() } else { logger.json().try_init() };
    Ok(())
}
