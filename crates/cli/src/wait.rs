//! `usb-daemon wait`: until a device is there, or gone.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use usb_daemon_core::{Action, Attachment, Code, Delivery, Error, Event, Notice, Readiness};

use crate::exit;
use crate::line::{ready, transition};
use crate::listening::ListenArguments;
use crate::printer::print_once;
use crate::selection::Selection;
use crate::stopper::Stopper;
use crate::style::Style;
use crate::yes_or_no::yes_or_no;
use crate::{complain, status};

const BATCH: usize = 256;
/// As good as for ever.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon wait --vendor 0403 --product 6001 --timeout 30s && ./flash.sh
  usb-daemon wait --class storage --json | jq -r .location.portPath
  usb-daemon wait --ready --serial A1B2C3 --json | jq -r '.nodes[].path'
  usb-daemon wait --serial A1B2C3 --gone          until it has been pulled
  usb-daemon wait --port 1-4.2 --timeout 0s       is there anything in that socket now?

What is connected already counts. The device is printed: as a line, or with --json as one object like those of `list`. \
With --gone it is the one that left last, and nothing where none was there. With --ready the object is { device, isReady, obstacles, \
elapsedMs, interfaces, capabilities, nodes }.

Exit codes:
  0  it is there; with --gone, none is there any more
  1  failed, or stopped before
  2  bad arguments or configuration
  3  the time ran out";

#[derive(Args, Debug)]
pub(crate) struct WaitArguments {
    #[command(flatten)]
    selection: Selection,
    /// Wait until no such device is there any more
    #[arg(long, env = "USB_DAEMON_GONE", hide_env_values = true, value_parser = yes_or_no)]
    gone: bool,
    /// Wait until it may be used, and print its nodes as well (Linux)
    #[arg(long, env = "USB_DAEMON_READY", hide_env_values = true, value_parser = yes_or_no, conflicts_with = "gone")]
    ready: bool,
    /// How long at most: 500ms, 30s, 2m [default: for ever]
    #[arg(long, value_name = "TIME", env = "USB_DAEMON_TIMEOUT", hide_env_values = true, value_parser = time)]
    timeout: Option<Duration>,
    /// Print the device as one JSON object
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    json: bool,
    #[command(flatten)]
    listen: ListenArguments,
}

/// Reads `30s`; a number alone is in seconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into()));
    seconds
        .or_else(|_| humantime::parse_duration(text))
        .map_err(|error| format!("{error}: expected a time, as in 500ms, 30s or 2m"))
}

/// What has been waited for.
enum Outcome {
    /// It is as wished: since this event, or it was so from the beginning.
    Fulfilled(Option<Arc<Event>>),
    /// It may be used.
    Ready(Notice),
    TimedOut,
    Stopped,
}

/// Waits, and gives the exit code.
pub(crate) fn wait(arguments: &WaitArguments, stopper: &Arc<Stopper>) -> Result<u8, Error> {
    let WaitArguments { selection, gone, ready, timeout, json, listen } = arguments;
    if selection.is_empty() {
        let message =
            "wait for what? give --vendor, --product, --serial, --stable-id, --port, --class or --capability";
        return Err(Error::new(Code::Config, message));
    }
    if *ready && !cfg!(target_os = "linux") {
        let message = "--ready: nothing says on this system when a device may be used; Linux does";
        return Err(Error::new(Code::Source, message));
    }
    let (daemon, delivery) = listen.listen(*ready, stopper)?;
    let mut wish = Wish {
        selection,
        gone: *gone,
        ready: *ready,
        present: HashSet::new(),
        started: false,
        obstacle: None,
    };
    let outcome = wish.await_from(&delivery, stopper, *timeout);
    daemon.stop();
    match outcome {
        Outcome::Fulfilled(event) => {
            if let Some(event) = event {
                print_once(&described(&event, *json)?)?;
            }
            Ok(exit::OK)
        }
        Outcome::Ready(notice) => {
            print_once(&readiness(&notice, *json)?)?;
            Ok(exit::OK)
        }
        Outcome::TimedOut => {
            let waited = humantime::format_duration(timeout.unwrap_or_default());
            let still = match (*gone, *ready) {
                (true, _) => "a device is still there",
                (false, true) => "no device is ready",
                (false, false) => "no device is there",
            };
            let because = wish.obstacle.map(|obstacle| format!(": {obstacle}")).unwrap_or_default();
            complain(&Error::new(Code::Timeout, format!("{still} after {waited}: {selection}{because}")));
            Ok(exit::TIMED_OUT)
        }
        Outcome::Stopped => {
            status(&format!("stopped before it came true: {selection}"));
            Ok(exit::FAILED)
        }
    }
}

fn described(event: &Event, json: bool) -> Result<String, Error> {
    let line = if json {
        serde_json::to_string(&event.info())
            .map_err(|error| Error::new(Code::System, format!("the device cannot be written: {error}")))?
    } else {
        transition(event, Style::of_stdout())
    };
    Ok(line + "\n")
}

/// The device, and what else is known of how far it is.
fn readiness(notice: &Notice, json: bool) -> Result<String, Error> {
    let failed = |error| Error::new(Code::System, format!("the device cannot be written: {error}"));
    match notice {
        Notice::Ready { event, readiness } if !json => Ok(ready(event, readiness, Style::of_stdout()) + "\n"),
        notice => {
            let object = serde_json::to_value(notice).map_err(failed)?;
            Ok(format!("{}\n", object["ready"]))
        }
    }
}

struct Wish<'a> {
    selection: &'a Selection,
    gone: bool,
    ready: bool,
    /// Attachments of devices that are meant.
    present: HashSet<u64>,
    started: bool,
    /// What stands in the way, as told last.
    obstacle: Option<String>,
}

impl Wish<'_> {
    fn await_from(
        &mut self,
        delivery: &Arc<Delivery>,
        stopper: &Stopper,
        timeout: Option<Duration>,
    ) -> Outcome {
        let until = Instant::now() + timeout.unwrap_or(FOREVER).min(FOREVER);
        loop {
            let (notices, more) = delivery.take(BATCH);
            for notice in notices {
                if let Some(outcome) = self.note(&notice) {
                    return outcome;
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if more {
                continue;
            }
            // What is there already counts, however short the time.
            if self.started && left.is_zero() {
                return Outcome::TimedOut;
            }
            if stopper.is_stopped_when_woken(if self.started { left } else { FOREVER }) {
                return Outcome::Stopped;
            }
        }
    }

    /// Takes in what is told. An outcome once the wish has come true.
    fn takes_ready(&self, attachment: &Attachment, readiness: &Readiness) -> bool {
        self.selection.takes_ready(&attachment.device, &attachment.stable_id, readiness)
    }

    fn note(&mut self, notice: &Notice) -> Option<Outcome> {
        match notice {
            Notice::Started => {
                self.started = true;
                (self.gone && self.present.is_empty()).then_some(Outcome::Fulfilled(None))
            }
            Notice::Transition(event) | Notice::Stayed(event)
                if self.selection.takes(&event.attachment.device, &event.attachment.stable_id) =>
            {
                let instance = event.attachment.instance;
                match event.action {
                    Action::Attach if self.ready => {}
                    Action::Attach if !self.gone => return Some(Outcome::Fulfilled(Some(Arc::clone(event)))),
                    Action::Attach => {
                        self.present.insert(instance);
                    }
                    Action::Detach => {
                        self.present.remove(&instance);
                    }
                }
                let is_gone = self.gone && self.started && self.present.is_empty();
                is_gone.then(|| Outcome::Fulfilled(Some(Arc::clone(event))))
            }
            Notice::Ready { event, readiness } if self.takes_ready(&event.attachment, readiness) => {
                self.obstacle = readiness.obstacles.first().map(|obstacle| obstacle.detail.clone());
                readiness.is_ready.then(|| Outcome::Ready(notice.clone()))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::tests::disk;
    use usb_daemon_core::{Attachment, Backend, Identity, StableId};

    fn event(action: Action, instance: u64) -> Notice {
        let device = disk("1-4.2");
        let attachment = Attachment {
            signature: device.signature(),
            device,
            stable_id: StableId { id: "x".into(), identity: Identity::Port },
            attached_at_ms: 0,
            tags: vec![],
            instance,
        };
        Notice::Transition(Arc::new(Event {
            producer: "p".into(),
            seq: 1,
            action,
            timestamp_ms: 0,
            attachment: Arc::new(attachment),
            backend: Backend::Netlink,
            synthetic: None,
            libusb_alive: false,
            journey: usb_daemon_core::Journey::default(),
        }))
    }

    /// After how many notices the wish has come true.
    fn true_after(gone: bool, notices: &[Notice]) -> Option<usize> {
        let selection = Selection::default();
        let mut wish = Wish {
            selection: &selection,
            gone,
            ready: false,
            present: HashSet::new(),
            started: false,
            obstacle: None,
        };
        notices.iter().position(|notice| wish.note(notice).is_some()).map(|at| at + 1)
    }

    #[test]
    fn a_device_that_is_there_at_the_start_will_do() {
        assert_eq!(true_after(false, &[event(Action::Attach, 1), Notice::Started]), Some(1));
        assert_eq!(true_after(false, &[Notice::Started, event(Action::Detach, 1)]), None);
    }

    #[test]
    fn gone_is_when_the_last_one_has_left_or_none_was_there() {
        let (attach, detach) = (|i| event(Action::Attach, i), |i| event(Action::Detach, i));
        assert_eq!(true_after(true, &[Notice::Started]), Some(1));
        assert_eq!(true_after(true, &[attach(1), attach(2), Notice::Started, detach(1), detach(2)]), Some(5));
        // What is present is not complete before the start is.
        assert_eq!(true_after(true, &[attach(1), detach(1), attach(2), Notice::Started]), None);
    }
}
