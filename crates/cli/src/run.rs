//! `usb-daemon run`: the daemon, with a line for each notice.

use std::io::{self, Write, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use usb_daemon_core::{Config, Daemon, Delivery, Error, Notice};

use crate::arguments::RunArguments;
use crate::line::{Line, line};
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
    let printer = Printer { json: arguments.json };
    let mut daemon = Daemon::start(&config, Arc::clone(&delivery))?;
    if arguments.simulate {
        daemon.demonstrate(DEMONSTRATION_PAUSE)?;
    }
    if !arguments.json && !Path::new("/sys/bus/usb").exists() {
        let advice = if arguments.simulate { "" } else { "; --simulate shows what it would do" };
        eprintln!("{:<9} {:<12} this machine has no USB bus{advice}", "usb", "absent");
    }
    loop {
        let ending = stopper.wait();
        let read = printer.print_waiting(&delivery).is_ok();
        if ending || !read {
            daemon.stop();
            // What came while it stopped is printed too, if anybody still reads.
            let _ = printer.print_waiting(&delivery);
            return Ok(());
        }
    }
}

struct Printer {
    json: bool,
}

impl Printer {
    fn print_waiting(&self, delivery: &Delivery) -> io::Result<()> {
        loop {
            let (notices, more) = delivery.take(BATCH);
            let mut out = stdout().lock();
            for notice in &notices {
                self.print(notice, &mut out)?;
            }
            out.flush()?;
            if !more {
                return Ok(());
            }
        }
    }

    fn print(&self, notice: &Notice, out: &mut impl Write) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut *out, notice)?;
            return out.write_all(b"\n");
        }
        match line(notice) {
            Some(Line::Event(line)) => writeln!(out, "{line}"),
            Some(Line::Status(line)) => writeln!(io::stderr(), "{line}"),
            None => Ok(()),
        }
    }
}
