//! Logs: to stderr, for a person on a terminal and as JSON in a pipe.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Starts logging at `RUST_LOG`, else `LOG_LEVEL`, else errors only: what a run has to say it says in its own lines.
pub(crate) fn start() -> Result<(), String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (name, level) = match (set("RUST_LOG"), set("LOG_LEVEL")) {
        (Some(directives), _) => ("RUST_LOG", directives),
        (None, Some(level)) => ("LOG_LEVEL", level),
        (None, None) => ("LOG_LEVEL", "error".to_owned()),
    };
    let filter = EnvFilter::try_new(&level)
        .map_err(|_| format!("{name} is {level:?}: expected error, warn, info, debug or trace"))?;
    let logger = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    // Refused where the process has a logger already: that one is the host's, and stays.
    let _ = if stderr().is_terminal() { logger.try_init() } else { logger.json().try_init() };
    Ok(())
}
