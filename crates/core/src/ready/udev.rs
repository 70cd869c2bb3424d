//! udev's database below /run/udev: whether udev runs, whether it rests, and what it has found out about a node.

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// A name that udev gives a node is taken up to this many times.
pub(crate) const MOST_LINKS: usize = 64;
/// Bytes of one record.
const LONGEST: u64 = 1 << 20;

/// What udev has stored of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Below /dev.
    pub(crate) links: Vec<String>,
    pub(crate) label: Option<String>,
    pub(crate) uuid: Option<String>,
    pub(crate) file_system: Option<String>,
}

/// A folder of udev's, normally /run/udev.
#[derive(Clone, Debug)]
pub(super) struct Udev {
    root: PathBuf,
}

impl Udev {
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Whether udev runs: its control socket is there for as long as it does.
    pub(super) fn is_running(&self) -> bool {
        self.root.join("control").exists()
    }

    /// Whether nothing waits for udev that it knows of: it keeps this file for as long as something does.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.root.join("queue").exists()
    }

    /// Watches for its rest. None where udev is not there: nothing says that it rests, and nothing has to.
    pub(super) fn watch_rest(&self) -> Option<Rest> {
        let fd = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        add_watch(&fd, &self.root, WatchFlags::DELETE | WatchFlags::ONLYDIR).ok()?;
        Some(Rest(fd))
    }

    /// What it has stored under this name: `c188:0`, `b8:1`, `n3`. None where it has not got that far.
    pub(super) fn stored(&self, name: &str) -> Option<Stored> {
        let path = self.root.join("data").join(name);
        if fs::metadata(&path).ok()?.len() > LONGEST {
            return Some(Stored::default());
        }
        let bytes = fs::read(path).ok()?;
        Some(Stored::read(&String::from_utf8_lossy(&bytes)))
    }
}

/// Tells when the file goes that says that udev is busy.
pub(super) struct Rest(OwnedFd);

impl Rest {
    /// Empties what waits. True where something did.
    pub(super) fn has_changed(&self) -> bool {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 1024];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut changed = false;
        loop {
            match reader.next() {
                Ok(event) => changed |= !event.events().contains(ReadFlags::IGNORED),
                Err(Errno::INTR) => {}
                Err(_) => return changed,
            }
        }
    }
}

impl AsFd for Rest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Stored {
    /// Lines of a letter, a colon and a value: `S` for a link, `E` for a property.
    pub(crate) fn read(text: &str) -> Self {
        let mut stored = Self::default();
        for line in text.lines() {
            match line.split_once(':') {
                Some(("S", link)) if stored.links.len() < MOST_LINKS => stored.links.push(link.to_owned()),
                Some(("E", property)) => stored.take(property),
                _ => {}
            }
        }
        stored.links.sort();
        stored
    }

    fn take(&mut self, property: &str) {
        let Some((key, value)) = property.split_once('=') else { return };
        let place = match key {
            "ID_FS_LABEL" => &mut self.label,
            "ID_FS_UUID" => &mut self.uuid,
            "ID_FS_TYPE" => &mut self.file_system,
            _ => return,
        };
        *place = Some(value.to_owned()).filter(|value| !value.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_links_and_the_file_system() {
        let root = std::env::temp_dir().join(format!("usb-daemon-udev-{}", std::process::id()));
        fs::create_dir_all(root.join("data")).expect("a folder");
        let record = "S:disk/by-uuid/12\nS:disk/by-id/usb-x\nI:123\nE:ID_FS_LABEL=STICK\nE:ID_FS_UUID=12\nE:ID_FS_TYPE=vfat\nE:X\nG:systemd\n";
        fs::write(root.join("data/b8:1"), record).expect("written");
        let udev = Udev::new(&root);
        let stored = udev.stored("b8:1").expect("a record");
        assert_eq!(stored.links, ["disk/by-id/usb-x", "disk/by-uuid/12"]);
        let found = [stored.label, stored.uuid, stored.file_system].map(Option::unwrap_or_default);
        assert_eq!(found, ["STICK", "12", "vfat"]);
        assert_eq!(udev.stored("b8:2"), None, "not there yet");
        assert!(!udev.is_running() && udev.is_at_rest());
        fs::write(root.join("control"), "").expect("written");
        fs::write(root.join("queue"), "").expect("written");
        assert!(udev.is_running() && !udev.is_at_rest());
        let rest = udev.watch_rest().expect("a watch");
        assert!(!rest.has_changed());
        fs::remove_file(root.join("queue")).expect("removed");
        assert!(rest.has_changed() && !rest.has_changed());
        assert!(Udev::new("/nonexistent").watch_rest().is_none());
        fs::remove_dir_all(&root).expect("removed");
    }
}
