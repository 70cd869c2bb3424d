//! Tells what becomes of the configuration: in lines on stderr, or with `--json` among the other objects on stdout.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};
use usb_daemon_core::Error;

use crate::status;
use crate::stopper::Stopper;

/// One for each thread that has something to tell.
#[derive(Clone)]
pub(crate) struct Teller(Way);

#[derive(Clone)]
enum Way {
    Stderr,
    /// Through the printer: it alone may be blocked by a reader.
    Printer(Sender<String>, Arc<Stopper>),
}

impl Teller {
    /// With the lines that a printer is to print.
    pub(crate) fn new(json: bool, stopper: &Arc<Stopper>) -> (Self, Receiver<String>) {
        let (sender, lines) = channel();
        let way = if json { Way::Printer(sender, Arc::clone(stopper)) } else { Way::Stderr };
        (Self(way), lines)
    }

    /// What has become of the configuration; `keys` are those that it is about.
    pub(crate) fn config(&self, state: &str, message: &str, keys: &[String]) {
        self.tell(
            || format!("{:<9} {state:<12} {message}", "config"),
            || {
                let mut object = json!({ "type": "config", "state": state, "message": message });
                if !keys.is_empty() {
                    object["keys"] = keys.into();
                }
                object
            },
        );
    }

    /// That the new configuration is not taken.
    pub(crate) fn refused(&self, error: &Error) {
        let code = error.code.as_str();
        self.tell(
            || format!("{:<9} {:<12} {error} [{code}]; nothing has changed", "config", "refused"),
            || json!({ "type": "config", "state": "refused", "message": error.message, "code": code }),
        );
    }

    /// What in the configuration has no effect.
    pub(crate) fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.tell(|| format!("warning: {warning}"), || json!({ "type": "warning", "message": warning }));
        }
    }

    fn tell(&self, line: impl FnOnce() -> String, object: impl FnOnce() -> Value) {
        match &self.0 {
            Way::Stderr => status(&line()),
            Way::Printer(lines, stopper) => {
                // Nobody takes it any more once the printer has ended, and then nobody reads.
                let _ = lines.send(format!("{}\n", object()));
                stopper.wake();
            }
        }
    }
}
