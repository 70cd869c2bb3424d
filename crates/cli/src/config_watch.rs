//! Notices that the configuration file has changed: inotify on its folder, on a thread of its own.
//!
//! The folder, because a file is replaced more often than it is written to. What counts is whether its content is another one: a
//! name that leads there through links (Kubernetes) is followed that way too.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::status;
use crate::stopper::Stopper;

/// Room for several events with the longest of names.
const ROOM: usize = 4096;

/// Watches until dropped; that joins the thread.
pub(crate) struct ConfigWatch {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl ConfigWatch {
    /// Watches the file, if there is one that can change. Where it cannot be watched, SIGHUP is left, and that is said.
    pub(crate) fn of(file: Option<&Path>, stopper: &Arc<Stopper>) -> Option<Self> {
        let file = file.filter(|file| file.is_file())?;
        let stopper = Arc::clone(stopper);
        let changed = move || {
            stopper.reload();
        };
        match Self::start(file, changed) {
            Ok(watch) => Some(watch),
            Err(error) => {
                deaf(&error.to_string());
                None
            }
        }
    }

    fn start(file: &Path, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let folder = file.parent().filter(|folder| *folder != OsStr::new("")).unwrap_or(Path::new("."));
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // Neither while it is being written, nor when it has just been made: it would be read half.
        inotify::add_watch(&events, folder, WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO)?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let watched =
            Watched { file: file.to_owned(), content: content(file), events, stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("aw-config".into()).spawn(move || watched.watch(changed))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        // Refused only where it has been written to already.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            deaf("the watch panicked");
        }
    }
}

struct Watched {
    file: PathBuf,
    content: Option<Vec<u8>>,
    events: OwnedFd,
    stop: Arc<OwnedFd>,
}

impl Watched {
    fn watch(mut self, changed: impl Fn()) {
        loop {
            let mut fds = [PollFd::new(&*self.stop, PollFlags::IN), PollFd::new(&self.events, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return deaf(&error.to_string()),
            }
            match take_all(&self.events) {
                Ok(true) => {}
                Ok(false) => return deaf("its folder has gone"),
                Err(error) => return deaf(&error.to_string()),
            }
            let now = content(&self.file);
            // One that is missing now may be about to be replaced.
            if now.is_some() && now != self.content {
                self.content = now;
                changed();
            }
        }
    }
}

/// False once nothing further will come.
fn take_all(events: &OwnedFd) -> Result<bool, Errno> {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut events = Reader::new(events, &mut room);
    loop {
        match events.next() {
            Ok(event) if event.events().contains(ReadFlags::IGNORED) => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

fn content(file: &Path) -> Option<Vec<u8>> {
    // A pipe would wait for its writer.
    file.is_file().then(|| std::fs::read(file).ok()).flatten()
}

fn deaf(why: &str) {
    let advice = "changes of the file go unnoticed: send SIGHUP";
    status(&format!("{:<9} {:<12} {why}; {advice}", "config", "deaf"));
}
