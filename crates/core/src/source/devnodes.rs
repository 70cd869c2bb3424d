//! inotify on /dev/bus/usb: device nodes that come and go wake the snapshot where uevents cannot be heard.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// Where the kernel keeps a folder for each bus and in it a node for each device.
pub const DEVICE_NODES: &str = "/dev/bus/usb";

/// Watches the folder of device nodes and the folder of each bus.
pub struct NodeWatch {
    fd: OwnedFd,
    root: PathBuf,
}

impl NodeWatch {
    /// Starts to watch.
    ///
    /// # Errors
    /// Where `root` is absent or inotify has no instance left.
    pub fn open(root: &Path) -> io::Result<Self> {
        let watch = Self { fd: init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?, root: root.to_owned() };
        watch.watch_all()?;
        Ok(watch)
    }

    /// Empties what waits. True where nodes came or went.
    ///
    /// # Errors
    /// Where the folder itself has gone: the watch must be opened again.
    pub fn changed(&self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = Reader::new(&self.fd, &mut buffer);
        let (mut changed, mut new_bus) = (false, false);
        loop {
            match reader.next() {
                Ok(event) => {
                    changed = true;
                    new_bus |= event.events().intersects(ReadFlags::ISDIR | ReadFlags::QUEUE_OVERFLOW);
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if new_bus || (changed && !self.root.exists()) {
            self.watch_all()?;
        }
        Ok(changed)
    }

    /// Adding a watch that exists already changes nothing, so all are added each time.
    fn watch_all(&self) -> io::Result<()> {
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::DELETE_SELF | WatchFlags::ONLYDIR;
        add_watch(&self.fd, &self.root, flags)?;
        for entry in self.root.read_dir()?.flatten() {
            // A bus that goes while its folder is being added is one event more, not a failure.
            let _ = add_watch(&self.fd, entry.path(), flags);
        }
        Ok(())
    }
}

impl AsFd for NodeWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn nodes_of_old_and_new_buses_are_noticed() {
        let root = std::env::temp_dir().join(format!("usb-daemon-nodes-{}", std::process::id()));
        fs::create_dir_all(root.join("001")).expect("a folder");
        let watch = NodeWatch::open(&root).expect("a watch");
        assert!(!watch.changed().expect("readable"));
        fs::write(root.join("001/005"), "").expect("a node");
        assert!(watch.changed().expect("readable"));
        fs::create_dir(root.join("002")).expect("a bus");
        assert!(watch.changed().expect("readable"));
        fs::write(root.join("002/001"), "").expect("a node");
        assert!(watch.changed().expect("readable"));
        fs::remove_dir_all(&root).expect("removed");
        assert!(watch.changed().is_err(), "a folder that has gone is said");
    }
}
