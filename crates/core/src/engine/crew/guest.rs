//! A guest: a thread that runs a resting engine for a moment, because it is the one that is to be told.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Waker};

use tracing::Dispatch;
use tracing::dispatcher::with_default;

use super::{Crew, Message, Shared};
use crate::engine::watch::Woken;
use crate::source::name;
use crate::source::netlink::Departures;
use crate::threads;

/// What an event loop needs to run an engine for a moment whenever a device has left: that takes no reading, and so no waiting for a
/// driver. While the loop has no time for it, the engine's own threads do all.
pub struct Guest {
    shared: Arc<Shared>,
    departures: Arc<Departures>,
    hearer: Dispatch,
}

impl Guest {
    /// None where this crew has one, or the kernel has nothing that a guest could be woken by. Lines go where those of the calling thread
    /// go.
    pub(super) fn of(crew: &Crew) -> Option<Self> {
        let shared = Arc::clone(&crew.0);
        let departures = shared.watch.open_departures().unwrap_or_else(|error| {
            tracing::debug!(%error, "no socket for departures alone");
            None
        })?;
        Some(Self { shared, departures, hearer: threads::hearer() })
    }

    /// Runs the engine if nobody does, as far as that goes without waiting for anything.
    pub fn visit(&self) {
        let Some(mut engine) = self.shared.place.take_up() else { return };
        let watch = &self.shared.watch;
        // Whoever sleeps by now has been woken by what this takes, and may find nothing and sleep on. It finds this.
        if !watch.heeds_departures() {
            watch.heed_departures(&*self.departures);
        }
        self.shared.desk.set_guest(true);
        self.shared.desk.wake(Woken::BY_GUEST);
        // Whether it has ended, whoever takes it next finds out.
        let _ = with_default(&self.hearer, || engine.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        self.shared.desk.set_guest(false);
        self.shared.place.leave(engine);
    }

    /// What it was woken for is seen to, and `has_told` says whether that was to be told: whatever is left to be done is the engine's threads'.
    pub fn leave(&self, has_told: bool) {
        if has_told {
            with_default(&self.hearer, || {
                tracing::trace!(source = name::NETLINK, "told by the event loop itself");
            });
        }
        self.departures.empty();
        self.shared.watch.heed_departures(&*self.departures);
        if self.shared.place.has_left() {
            self.shared.inbox.send(Message::Left);
        }
    }
}

/// Readable when there is reason for a visit.
impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.departures.as_fd()
    }
}
