//! `usb-daemon tail`: what an outbox holds, beside the daemon that writes it or without one.

use std::io::{self, Write as _, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use usb_daemon_core::{Code, Config, Error, History, Notice, Since};

use crate::configuration_file::read_with_variable;
use crate::line::print;
use crate::platform::outbox_path;
use crate::stopper::Stopper;
use crate::yes_or_no::yes_or_no;

const BATCH: usize = 256;
/// How often the file is looked at for what has come.
const LOOK: Duration = Duration::from_millis(50);
/// Time that a stop gives to what is being printed.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon tail --json | head           the oldest events that are kept, as NDJSON
  usb-daemon tail --since 2h --follow     those of the last two hours, and what comes

Exit codes:
  0  done, stopped or nobody reads any more
  1  the outbox cannot be read
  2  bad arguments or configuration";

#[derive(Args, Debug)]
pub(crate) struct TailArguments {
    /// Begin with this event: its number, its time in UTC (2026-11-24T08:00:00Z), or how long ago (90s, 2h)
    #[arg(long, value_name = "SEQ|TIME", env = "USB_DAEMON_SINCE", hide_env_values = true)]
    since: Option<String>,
    /// Go on with what comes
    #[arg(long, env = "USB_DAEMON_FOLLOW", hide_env_values = true, value_parser = yes_or_no)]
    follow: bool,
    /// Print every event as one JSON object a line
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    json: bool,
    /// The outbox [default: that of the configuration, else that of `usb-daemon run`]
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_OUTBOX", hide_env_values = true)]
    outbox: Option<PathBuf>,
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

/// Prints what the outbox holds; with `--follow`, until stopped or nobody reads stdout any more.
pub(crate) fn tail(arguments: &TailArguments, stopper: &Arc<Stopper>) -> Result<(), Error> {
    let history = History::open(&path(arguments)?, since(arguments.since.as_deref())?)?;
    let (json, follow, done) = (arguments.json, arguments.follow, Arc::clone(stopper));
    let (printing, printed) = channel();
    // A pipe that nobody empties blocks this thread and nothing else.
    thread::Builder::new()
        .name("aw-print".into())
        .spawn(move || {
            // Nobody listens any more where the stop has not waited for it.
            let _ = printing.send(print_all(history, json, follow, &done));
            done.stop();
        })
        .map_err(|error| Error::new(Code::System, format!("no thread for printing: {error}")))?;
    stopper.wait_until_stopped();
    printed.recv_timeout(PATIENCE).unwrap_or(Ok(()))
}

fn print_all(mut history: History, json: bool, follow: bool, stopper: &Stopper) -> Result<(), Error> {
    loop {
        let events = history.read(BATCH)?;
        if events.is_empty() && (!follow || stopper.is_stopped_within(LOOK)) {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            let mut out = stdout().lock();
            for placed in events {
                print(&Notice::Transition(placed.event), json, &mut out)?;
            }
            out.flush()
        };
        if write().is_err() {
            // The reader has seen enough.
            return Ok(());
        }
    }
}

/// The file that is named, else the configuration's, else the default.
fn path(arguments: &TailArguments) -> Result<PathBuf, Error> {
    if let Some(path) = &arguments.outbox {
        return Ok(path.clone());
    }
    let root = serde_json::Value::Object(read_with_variable(arguments.config.as_deref(), &["outbox"])?);
    let config = Config::from_json(&root.to_string())?;
    match (config.outbox.file(), &config.outbox.path) {
        (Some(path), _) => return Ok(path.to_owned()),
        (None, Some(_)) => {
            let file = arguments
                .config
                .as_ref()
                .map_or("the configuration".into(), |file| file.display().to_string());
            let message =
                format!("{file} keeps the outbox in memory (outbox.path): no history outlives its daemon");
            return Err(Error::new(Code::Outbox, message));
        }
        (None, None) => {}
    }
    outbox_path::default().ok_or_else(|| {
        Error::new(Code::Outbox, "no place for an outbox is known: set --outbox, XDG_STATE_HOME or HOME")
    })
}

/// A number, a time, or how long ago.
fn since(text: Option<&str>) -> Result<Since, Error> {
    let Some(text) = text else { return Ok(Since::Beginning) };
    if let Ok(seq) = text.parse() {
        return Ok(Since::Seq(seq));
    }
    let time = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago).unwrap_or(UNIX_EPOCH),
        Err(_) => humantime::parse_rfc3339_weak(text).map_err(|_| {
            let message = format!(
                "--since is {text:?}: expected an event's number (1042), a time in UTC (2026-11-24T08:00:00Z) or how \
                 long ago (90s, 2h)"
            );
            Error::new(Code::Config, message)
        })?,
    };
    let ms = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Ok(Since::Time(u64::try_from(ms).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_number_a_time_or_how_long_ago() {
        assert_eq!(since(None), Ok(Since::Beginning));
        assert_eq!(since(Some("1042")), Ok(Since::Seq(1042)));
        assert_eq!(since(Some("1970-01-01T00:00:01.5Z")), Ok(Since::Time(1500)));
        assert_eq!(since(Some("1970-01-01 00:00:02")), Ok(Since::Time(2000)));
        assert!(matches!(since(Some("2h")), Ok(Since::Time(ms)) if ms > 0));
        let error = since(Some("yesterday")).expect_err("no time");
        assert_eq!(error.code, Code::Config);
        assert!(error.message.contains("--since is \"yesterday\""), "{error}");
    }
}
