//! `usb-daemon watch`: devices as they come and go, and nothing left behind.

use std::io::{self, IsTerminal as _, Write as _, stdout};
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use usb_daemon_core::{Error, Event, Notice, Readiness, SourceState, Synthetic};

use crate::line::{self, print, transition};
use crate::listening::ListenArguments;
use crate::origins::Origins;
use crate::platform::bus::has_usb_bus;
use crate::platform::reader;
use crate::printer::Printer;
use crate::selection::Selection;
use crate::status;
use crate::stopper::Stopper;
use crate::style::Style;
use crate::teller::Teller;
use crate::yes_or_no::yes_or_no;

/// How soon it is noticed that nobody reads any more, while nothing is written.
const LOOK: Duration = Duration::from_millis(200);
/// Time that a stop gives to what is being printed.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon watch                                   what is connected, and what comes and goes
  usb-daemon watch --no-present --class storage      drives, from now on
  usb-daemon watch --ready --capability 'serial:*'   serial adapters, and where they may be opened
  usb-daemon watch | jq -r '.type + \" \" + .info.stableId'
  usb-daemon watch --json | head -n 1                ends with its reader

Needs no rights, no Redis and no daemon, and leaves nothing behind. What is wrong with the sources is said on stderr. \
NO_COLOR, set to anything, takes the color away.

Exit codes:
  0  stopped, or nobody reads any more
  1  failed
  2  bad arguments or configuration";

#[derive(Args, Debug)]
pub(crate) struct WatchArguments {
    #[command(flatten)]
    selection: Selection,
    /// Leave out what is connected already
    #[arg(long, env = "USB_DAEMON_NO_PRESENT", hide_env_values = true, value_parser = yes_or_no)]
    no_present: bool,
    /// Tell as well when a device may be used, with its nodes, or what stands in the way (Linux)
    #[arg(long, env = "USB_DAEMON_READY", hide_env_values = true, value_parser = yes_or_no)]
    ready: bool,
    /// Print one JSON object a line [default: in a pipe]
    #[arg(
        long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no,
        action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_name = "YES|NO"
    )]
    json: Option<bool>,
    /// Print lines for people, in a pipe too; as `--json=no`
    #[arg(long, env = "USB_DAEMON_NO_JSON", hide_env_values = true, value_parser = yes_or_no)]
    no_json: bool,
    #[command(flatten)]
    listen: ListenArguments,
}

impl WatchArguments {
    /// A variable does not go before what has been typed.
    pub(crate) fn learn(&mut self, origins: &Origins) {
        let chosen = [("no_json", self.no_json), ("json", self.json.is_some())];
        self.no_json = origins.strongest(&chosen) == Some("no_json");
    }
}

/// Watches until stopped, or until nobody reads stdout any more.
pub(crate) fn watch(arguments: WatchArguments, stopper: &Arc<Stopper>) -> Result<(), Error> {
    let WatchArguments { selection, no_present, ready, json, no_json, listen } = arguments;
    let json = if no_json { false } else { json.unwrap_or_else(|| !stdout().is_terminal()) };
    let (daemon, delivery) = listen.listen(ready, stopper)?;
    if !has_usb_bus() {
        status("usb       absent       this machine has no USB bus; it is waited for");
    }
    let style = Style::of_stdout();
    let wanted = move |event: &Event, readiness: Option<&Readiness>| {
        let was_there = event.synthetic == Some(Synthetic::Startup);
        let (device, named) = (&event.attachment.device, &event.attachment.stable_id);
        let is_meant = match readiness {
            Some(readiness) => selection.takes_ready(device, named, readiness),
            None => selection.takes(device, named),
        };
        is_meant && !(no_present && was_there)
    };
    let print = move |notice: &Notice, out: &mut io::StdoutLock<'_>| match notice {
        Notice::Transition(event) | Notice::Stayed(event) if !wanted(event, None) => Ok(()),
        Notice::Ready { event, readiness } if !wanted(event, Some(readiness)) => Ok(()),
        Notice::Ready { event, readiness } if !json => {
            writeln!(out, "{}", line::ready(event, readiness, style))
        }
        Notice::Transition(event) | Notice::Stayed(event) if !json => {
            writeln!(out, "{}", transition(event, style))
        }
        Notice::Transition(_) | Notice::Stayed(_) | Notice::Ready { .. } => print(notice, true, out),
        notice if concerns_whoever_looks_on(notice) => print(notice, false, out),
        _ => Ok(()),
    };
    let (_, lines) = Teller::new(json, stopper);
    let printed = Printer { delivery, stopper: Arc::clone(stopper), print, lines }.start()?;
    while !stopper.is_stopped_within(LOOK) {
        if reader::has_gone() {
            break;
        }
    }
    daemon.stop();
    stopper.complete();
    // What came while it stopped is printed too, but a reader that has fallen asleep must not hold the end.
    let _ = printed.recv_timeout(PATIENCE);
    Ok(())
}

/// Not that all is well, and not what this environment never had.
fn concerns_whoever_looks_on(notice: &Notice) -> bool {
    match notice {
        Notice::Gap(_) | Notice::Error { .. } => true,
        Notice::Source(status) => match status.state {
            SourceState::Deaf | SourceState::Failed => true,
            SourceState::Unavailable => status.source == "netlink",
            SourceState::Up | SourceState::Off => false,
        },
        _ => false,
    }
}
