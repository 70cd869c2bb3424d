//! `usb-daemon run`: the daemon, with a line for each notice.

use std::convert::Infallible;
use std::io::{self, Write as _, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use usb_daemon_core::{Code, Config, Daemon, Delivery, Error};

use crate::arguments::RunArguments;
use crate::line::{outbox, print};
use crate::status;
use crate::stopper::Stopper;

const BATCH: usize = 256;
const DEMONSTRATION_PAUSE: Duration = Duration::from_millis(800);

/// Runs until stopped, or until nobody reads stdout any more.
pub(crate) fn run(arguments: &RunArguments, stopper: &Arc<Stopper>) -> Result<(), Error> {
    let config = Config::from_json(&arguments.configuration()?.to_string())?;
    let delivery = {
        let stopper = Arc::clone(stopper);
        Arc::new(Delivery::new(config.outbox.max_events, Box::new(move || stopper.wake())))
    };
    let mut daemon = Daemon::start(&config, Arc::clone(&delivery))?;
    if arguments.simulate {
        daemon.demonstrate(DEMONSTRATION_PAUSE)?;
    }
    if !arguments.json {
        status(&outbox(&daemon.hub().health().outbox));
    }
    if !arguments.json && !Path::new("/sys/bus/usb").exists() {
        let advice = if arguments.simulate { "" } else { "; --simulate shows what it would do" };
        status(&format!("{:<9} {:<12} this machine has no USB bus{advice}", "usb", "absent"));
    }
    let printed = Printer { json: arguments.json, delivery, stopper: Arc::clone(stopper) }.start()?;
    stopper.wait_until_stopped();
    let hub = daemon.hub().clone();
    daemon.stop();
    stopper.complete();
    // What came while it stopped is printed too, but a reader that has fallen asleep must not hold the end.
    let _ = printed.recv_timeout(config.shutdown());
    let left = hub.health().outbox;
    if !arguments.json && left.durable && left.accounts.waiting > 0 {
        status(&outbox(&left));
    }
    Ok(())
}

/// Prints on a thread of its own: a pipe that nobody empties blocks that and nothing else.
struct Printer {
    json: bool,
    delivery: Arc<Delivery>,
    stopper: Arc<Stopper>,
}

impl Printer {
    /// Starts the thread. What it gives ends when everything has been printed.
    fn start(self) -> Result<Receiver<Infallible>, Error> {
        let (printing, printed) = channel();
        thread::Builder::new()
            .name("aw-print".into())
            .spawn(move || {
                if self.print_all().is_err() {
                    self.stopper.stop();
                }
                drop(printing);
            })
            .map_err(|error| Error::new(Code::System, format!("no thread for printing: {error}")))?;
        Ok(printed)
    }

    fn print_all(&self) -> io::Result<()> {
        loop {
            let last = self.stopper.wait_until_woken();
            self.print_waiting()?;
            if last {
                return Ok(());
            }
        }
    }

    fn print_waiting(&self) -> io::Result<()> {
        loop {
            let (notices, more) = self.delivery.take(BATCH);
            let mut out = stdout().lock();
            for notice in &notices {
                print(notice, self.json, &mut out)?;
            }
            out.flush()?;
            if !more {
                return Ok(());
            }
        }
    }
}
