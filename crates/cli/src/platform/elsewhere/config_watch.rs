//! Notices that the configuration file has changed: looks at it each second, on a thread of its own.
//!
//! What counts is whether its content is another one. A file that is being written is looked at again before it is believed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::teller::Teller;

/// What can be done where the file is not watched.
pub(crate) const INSTEAD: &str = "start the daemon again";
const PAUSE: Duration = Duration::from_secs(1);

/// Watches until dropped; that joins the thread.
pub(crate) struct ConfigWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ConfigWatch {
    /// Calls `changed` from a thread of its own.
    ///
    /// # Errors
    /// Where there can be no thread.
    pub(crate) fn start(
        file: &Path,
        changed: impl Fn() + Send + 'static,
        _teller: &Teller,
    ) -> io::Result<Self> {
        Self::every(PAUSE, file, changed)
    }

    fn every(pause: Duration, file: &Path, changed: impl Fn() + Send + 'static) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let mut watched = Watched { file: file.to_owned(), known: content(file), seen: None };
        let thread = thread::Builder::new().name("aw-config".into()).spawn(move || {
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if watched.has_changed() {
                    changed();
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of it was told when it came.
            let _ = thread.join();
        }
    }
}

struct Watched {
    file: PathBuf,
    known: Option<Vec<u8>>,
    /// Another content, seen once.
    seen: Option<Vec<u8>>,
}

impl Watched {
    /// One that is missing may be about to be replaced.
    fn has_changed(&mut self) -> bool {
        let Some(now) = content(&self.file) else { return false };
        if self.known.as_ref() == Some(&now) {
            self.seen = None;
            return false;
        }
        if self.seen.as_ref() == Some(&now) {
            self.known = self.seen.take();
            return true;
        }
        self.seen = Some(now);
        false
    }
}

fn content(file: &Path) -> Option<Vec<u8>> {
    // A pipe would wait for its writer.
    file.is_file().then(|| std::fs::read(file).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn another_content_is_told_of_once_it_stays_and_only_once() {
        let file = std::env::temp_dir().join(format!("usb-daemon-watched-{}", std::process::id()));
        fs::write(&file, "one").expect("written");
        let mut watched = Watched { file: file.clone(), known: content(&file), seen: None };
        assert!(!watched.has_changed());
        fs::write(&file, "half").expect("written");
        assert!(!watched.has_changed(), "it may be half of it");
        fs::write(&file, "whole").expect("written");
        assert!(!watched.has_changed());
        assert!(watched.has_changed());
        fs::remove_file(&file).expect("removed");
        assert!(!watched.has_changed() && !watched.has_changed());
        fs::write(&file, "whole").expect("written");
        assert!(!watched.has_changed() && !watched.has_changed(), "the same as before");
        let _ = fs::remove_file(&file);
    }

    #[test]
    fn a_change_is_told_from_the_thread_which_ends_with_the_watch() {
        let file = std::env::temp_dir().join(format!("usb-daemon-polled-{}", std::process::id()));
        fs::write(&file, "one").expect("written");
        let (tell, told) = channel();
        let changed = move || {
            let _ = tell.send(());
        };
        let watch = ConfigWatch::every(Duration::from_millis(5), &file, changed).expect("a thread");
        fs::write(&file, "two").expect("written");
        told.recv_timeout(Duration::from_secs(10)).expect("told");
        drop(watch);
        assert!(told.recv().is_err(), "nobody is left to tell");
        fs::remove_file(&file).expect("removed");
    }
}
