//! Printing what comes, on a thread of its own: a pipe that nobody empties blocks that and nothing else.

use std::convert::Infallible;
use std::io::{self, StdoutLock, Write as _, stdout};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use usb_daemon_core::{Code, Delivery, Error, Notice};

use crate::stopper::Stopper;

const BATCH: usize = 256;

/// Prints every notice with `print`, until the stopper says that nothing follows.
pub(crate) struct Printer<P> {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) stopper: Arc<Stopper>,
    pub(crate) print: P,
    /// Lines that somebody else has to print.
    pub(crate) lines: Receiver<String>,
}

impl<P: FnMut(&Notice, &mut StdoutLock<'_>) -> io::Result<()> + Send + 'static> Printer<P> {
    /// Starts the thread. What it gives ends when everything has been printed.
    pub(crate) fn start(mut self) -> Result<Receiver<Infallible>, Error> {
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

    fn print_all(&mut self) -> io::Result<()> {
        loop {
            let last = self.stopper.wait_until_woken();
            self.print_waiting()?;
            if last {
                return Ok(());
            }
        }
    }

    fn print_waiting(&mut self) -> io::Result<()> {
        loop {
            let (notices, more) = self.delivery.take(BATCH);
            let mut out = stdout().lock();
            for notice in &notices {
                (self.print)(notice, &mut out)?;
            }
            for line in self.lines.try_iter() {
                out.write_all(line.as_bytes())?;
            }
            out.flush()?;
            if !more {
                return Ok(());
            }
        }
    }
}

/// Writes what a command has to say in one go. A reader that has seen enough is no failure.
pub(crate) fn print_once(text: &str) -> Result<(), Error> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Code::System, format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
