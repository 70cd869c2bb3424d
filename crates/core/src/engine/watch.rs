//! What ends the engine's rest, under one descriptor: it is waited for by threads that do not have the engine, and what it watches may be
//! closed meanwhile.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::inbox::Inbox;
use crate::error::{Code, Error};
use crate::source::netlink::Departures;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Watched {
    Inbox,
    /// The socket in which all of them wait.
    Uevents,
    /// Device nodes that come and go.
    Nodes,
    /// What the helper of udev writes down.
    Spool,
    /// A device has left. Heard once, and not again before a guest has come.
    Departures,
}

impl Watched {
    fn data(self) -> EventData {
        EventData::new_u64(self as u64)
    }

    fn flags(self) -> EventFlags {
        if self == Self::Departures { EventFlags::IN | EventFlags::ONESHOT } else { EventFlags::IN }
    }
}

/// What has ended a rest: nothing of it where its time was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Woken(u8);

impl Woken {
    /// A guest has come.
    pub(super) const BY_GUEST: Self = Self(1 << Watched::Departures as u8);

    pub(super) fn by(self, watched: Watched) -> bool {
        self.0 & 1 << watched as u8 != 0
    }

    pub(super) fn by_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether a guest hears of what there is to be done, and has come each time before.
    pub(super) fn may_leave_it_to_a_guest(self) -> bool {
        self.by(Watched::Departures)
    }
}

/// Longer ones need a system call that not every kernel has.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the engine's threads wait for.
pub(super) struct Watch {
    epoll: OwnedFd,
    /// What a guest waits for, as long as there is one.
    departures: Mutex<Weak<Departures>>,
    /// Whether departures end a rest still.
    heeds_departures: AtomicBool,
}

impl Watch {
    /// Watches the inbox.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process has no file descriptor left.
    pub(super) fn new(inbox: &Arc<Inbox>) -> Result<Self, Error> {
        let fail = |error: Errno| Error::new(Code::System, format!("nothing can be waited for: {error}"));
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(fail)?;
        let watch = Self { epoll, departures: Mutex::default(), heeds_departures: AtomicBool::new(false) };
        watch.add(inbox.bell(), Watched::Inbox).map_err(fail)?;
        Ok(watch)
    }

    /// Until it is removed, or nobody has it open any more.
    ///
    /// # Errors
    /// Where the kernel has no room for it.
    pub(super) fn add(&self, fd: impl AsFd, watched: Watched) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, watched.data(), watched.flags())
    }

    /// It ends no rest any more, until it is added again.
    pub(super) fn remove(&self, fd: impl AsFd) {
        // Refused only for what is not watched.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Hears of departures besides, so that it is known whether a guest does; for as long as that one has them. None where there is a guest.
    ///
    /// # Errors
    /// What the kernel answers.
    pub(super) fn open_departures(&self) -> Result<Option<Arc<Departures>>, Errno> {
        let mut known = self.lock_departures();
        if known.strong_count() > 0 {
            return Ok(None);
        }
        let departures = Arc::new(Departures::open()?);
        self.add(&*departures, Watched::Departures)?;
        *known = Arc::downgrade(&departures);
        self.heeds_departures.store(true, Ordering::Release);
        Ok(Some(departures))
    }

    pub(super) fn departures(&self) -> Option<Arc<Departures>> {
        self.lock_departures().upgrade()
    }

    /// Whether a departure that has not been taken note of yet ends a rest, or has ended it.
    pub(super) fn heeds_departures(&self) -> bool {
        self.heeds_departures.load(Ordering::Acquire)
    }

    /// What is said to be heard once is heard once more, if only what was said before.
    pub(super) fn heed_departures(&self, departures: impl AsFd) {
        self.heeds_departures.store(true, Ordering::Release);
        let watched = Watched::Departures;
        // Refused only for what is not watched.
        let _ = epoll::modify(&self.epoll, departures, watched.data(), watched.flags());
    }

    fn lock_departures(&self) -> MutexGuard<'_, Weak<Departures>> {
        // Nothing under this lock panics.
        self.departures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for any of it, or for the end of `timeout`, or for a day.
    pub(super) fn wait(&self, timeout: Duration) -> Woken {
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 5];
        let timeout = Timespec::try_from(timeout.min(LONGEST)).ok();
        // Fails only when a signal interrupts it, which is a reason to look around like any other.
        let count = epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()).unwrap_or(0);
        let woken = Woken(events[..count].iter().fold(0, |woken, event| woken | 1 << event.data.u64()));
        if woken.by(Watched::Departures) {
            self.heeds_departures.store(false, Ordering::Release);
        }
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::inbox::Message;
    use crate::platform::doorbell::Doorbell;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_rest_ends_by_what_is_watched_or_by_its_time() {
        let inbox = Arc::new(Inbox::new().expect("an inbox"));
        let watch = Watch::new(&inbox).expect("a watch");
        assert!(watch.wait(Duration::ZERO).by_nothing());
        let nodes = Doorbell::new().expect("a descriptor");
        watch.add(&nodes, Watched::Nodes).expect("watched");
        nodes.ring();
        let woken = watch.wait(LONG);
        assert!(woken.by(Watched::Nodes) && !woken.by(Watched::Spool) && !woken.by_nothing());
        inbox.send(Message::Left);
        let woken = watch.wait(LONG);
        assert!(woken.by(Watched::Nodes) && woken.by(Watched::Inbox));
        // What is not watched any more does not end it, and neither does what has been closed.
        watch.remove(&nodes);
        inbox.take();
        assert!(watch.wait(Duration::ZERO).by_nothing());
        watch.add(&nodes, Watched::Nodes).expect("watched again");
        drop(nodes);
        assert!(watch.wait(Duration::ZERO).by_nothing());
    }

    #[test]
    fn a_departure_ends_one_rest_until_a_guest_has_come() {
        let inbox = Arc::new(Inbox::new().expect("an inbox"));
        let watch = Watch::new(&inbox).expect("a watch");
        // In the place of a socket, which only the kernel speaks in.
        let departures = Doorbell::new().expect("a descriptor");
        watch.add(&departures, Watched::Departures).expect("watched");
        watch.heed_departures(&departures);
        assert!(watch.heeds_departures());
        departures.ring();
        for _ in 0..2 {
            assert_eq!(watch.wait(LONG), Woken::BY_GUEST);
            assert!(!watch.heeds_departures());
            assert!(watch.wait(Duration::ZERO).by_nothing(), "once, whatever waits there");
            watch.heed_departures(&departures);
        }
        departures.silence();
        assert!(watch.wait(Duration::ZERO).by_nothing() && watch.heeds_departures());
    }

    #[test]
    fn there_is_one_guest_at_a_time() {
        let inbox = Arc::new(Inbox::new().expect("an inbox"));
        let watch = Watch::new(&inbox).expect("a watch");
        for _ in 0..2 {
            assert!(watch.departures().is_none());
            let departures = watch.open_departures().expect("a socket");
            assert!(departures.is_some() && watch.departures().is_some());
            assert!(watch.open_departures().expect("none").is_none());
        }
    }
}
