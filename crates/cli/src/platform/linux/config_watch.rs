//! Notices that the configuration file has changed: inotify on a thread of its own.
//!
//! On the file itself, which may be all that there is to see (a single file that is mounted into a container), on its folder, as a
//! file is replaced more often than it is written to, and on the folder of each link on the way there (a name in another folder;
//! `..data` of Kubernetes). What counts is whether its content is another one.

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::config_watch::deaf;
use crate::teller::Teller;

/// What can be done where the file is not watched.
pub(crate) const INSTEAD: &str = "send SIGHUP";
/// Room for several events with the longest of names.
const ROOM: usize = 4096;
/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// Watches until dropped; that joins the thread.
pub(crate) struct ConfigWatch {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    teller: Teller,
}

impl ConfigWatch {
    /// Calls `changed` from a thread of its own, and `teller` where nothing is noticed any more.
    ///
    /// # Errors
    /// Where the file cannot be watched.
    pub(crate) fn start(
        file: &Path,
        changed: impl Fn() + Send + 'static,
        teller: &Teller,
    ) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut watched = Watched {
            file: file.to_owned(),
            content: None,
            target: PathBuf::new(),
            events,
            watches: HashSet::new(),
            stop: Arc::clone(&stop),
            teller: teller.clone(),
        };
        watched.arm()?;
        watched.content = content(file);
        let thread = thread::Builder::new().name("aw-config".into()).spawn(move || watched.watch(changed))?;
        Ok(Self { stop, thread: Some(thread), teller: teller.clone() })
    }
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        // Refused only where it has been written to already.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            deaf(&self.teller, "the watch panicked");
        }
    }
}

struct Watched {
    file: PathBuf,
    content: Option<Vec<u8>>,
    /// Where the links lead.
    target: PathBuf,
    events: OwnedFd,
    watches: HashSet<i32>,
    stop: Arc<OwnedFd>,
    teller: Teller,
}

impl Watched {
    fn watch(mut self, changed: impl Fn()) {
        loop {
            let mut fds = [PollFd::new(&*self.stop, PollFlags::IN), PollFd::new(&self.events, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) if !fds[0].revents().is_empty() => return,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return deaf(&self.teller, &error.to_string()),
            }
            let before = self.target.clone();
            // Watches before the content is looked at: what changes after that wakes us again.
            let is_whole = match self.take_all().and_then(|is_whole| self.arm().map(|()| is_whole)) {
                Ok(is_whole) => is_whole || self.target != before,
                Err(error) => return deaf(&self.teller, &error.to_string()),
            };
            if self.watches.is_empty() {
                return deaf(&self.teller, "its folder has gone");
            }
            if !is_whole {
                continue;
            }
            let now = content(&self.file);
            // One that is missing now may be about to be replaced.
            if now.is_some() && now != self.content {
                self.content = now;
                changed();
            }
        }
    }

    /// False where all that has come is that files were made: they are written next.
    fn take_all(&mut self) -> Result<bool, Errno> {
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut events = Reader::new(&self.events, &mut room);
        let mut is_whole = false;
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::IGNORED) => {
                    self.watches.remove(&event.wd());
                }
                Ok(event) => is_whole |= !event.events().contains(ReadFlags::CREATE),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(is_whole),
                Err(error) => return Err(error),
            }
        }
    }

    /// Watches all that the name leads through now, and nothing else any more. Each folder is watched before the link in it is
    /// read, so that none can change unseen.
    fn arm(&mut self) -> Result<(), Errno> {
        let mut watches = HashSet::new();
        let mut rest = components(&self.file);
        // A target that is absolute replaces what is before it when it is joined.
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(component) = rest.pop() {
            let next = at.join(&component);
            if next.is_symlink() && links < MOST_LINKS {
                links += 1;
                self.add(&mut watches, folder(&at), FOLDER)?;
                let Ok(target) = next.read_link() else { break };
                rest.extend(components(&target));
            } else {
                at = next;
            }
        }
        self.add(&mut watches, folder(at.parent().unwrap_or(Path::new(""))), FOLDER)?;
        self.add(&mut watches, &at, FILE)?;
        for stale in self.watches.difference(&watches) {
            // Refused where it has gone by itself.
            let _ = inotify::remove_watch(&self.events, *stale);
        }
        self.watches = watches;
        self.target = at;
        Ok(())
    }

    fn add(&self, watches: &mut HashSet<i32>, path: &Path, flags: WatchFlags) -> Result<(), Errno> {
        match inotify::add_watch(&self.events, path, flags) {
            Ok(watch) => {
                watches.insert(watch);
                Ok(())
            }
            // It may come again, which what is around it shows.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Not while it is being written: it would be read half.
const FILE: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF);
/// Of a link that is made there is only that.
const FOLDER: WatchFlags = WatchFlags::CLOSE_WRITE.union(WatchFlags::MOVED_TO).union(WatchFlags::CREATE);

/// The last one first.
fn components(path: &Path) -> Vec<PathBuf> {
    let is_step = |component: &Component<'_>| *component != Component::CurDir;
    path.components().rev().filter(is_step).map(|component| PathBuf::from(component.as_os_str())).collect()
}

fn folder(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn content(file: &Path) -> Option<Vec<u8>> {
    // A pipe would wait for its writer.
    file.is_file().then(|| std::fs::read(file).ok()).flatten()
}
