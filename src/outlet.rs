//! The way out to JavaScript: what waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::Error;
use usb_daemon_core::{Code, Delivery, EventLoop, Notice};

use crate::arguments::Handed;
use crate::failure::Result;
use crate::wire::Wire;

/// Notices handled in one turn of the event loop; timers and I/O get theirs in between.
const BATCH: usize = 256;

/// One run's notices.
struct Run {
    delivery: Arc<Delivery>,
    event_loop: Arc<EventLoop>,
    wire: Wire,
}

/// What waits in the run that is, or was last: what that has not delivered by its end can still be taken.
#[derive(Default)]
pub(crate) struct Outlet {
    run: Mutex<Option<Run>>,
    /// Of the run that is, and of the next: the first acknowledgement may come before anybody could ask for it.
    wants_published: AtomicBool,
}

impl Outlet {
    /// From now on it is this run's. Whoever takes shows that `event_loop` is free.
    pub(crate) fn begin(&self, delivery: Arc<Delivery>, event_loop: Arc<EventLoop>) {
        delivery.set_wants_published(self.wants_published.load(Ordering::Relaxed));
        *self.run() = Some(Run { delivery, event_loop, wire: Wire::default() });
    }

    /// What waits for this run's listeners.
    #[cfg(target_os = "linux")]
    pub(crate) fn delivery(&self) -> Option<Arc<Delivery>> {
        self.run().as_ref().map(|run| Arc::clone(&run.delivery))
    }

    /// Whether acknowledgements by Redis should be among the notices.
    pub(crate) fn set_wants_published(&self, wanted: bool) {
        self.wants_published.store(wanted, Ordering::Relaxed);
        if let Some(run) = &*self.run() {
            run.delivery.set_wants_published(wanted);
        }
    }

    /// The next notices as JSON: `{ more, notices }`; empty where there has been no run. Until `more` is false there is no further
    /// wake-up.
    pub(crate) fn take(&self) -> Result<String> {
        Ok(self.next(Wire::write)?.unwrap_or_default())
    }

    /// The same, as the arguments of one call.
    pub(crate) fn all(&self) -> Result<Handed> {
        Ok(self.next(Wire::all)?.unwrap_or_default())
    }

    /// The same, as the arguments of one call for each.
    pub(crate) fn each(&self) -> Result<Vec<Handed>> {
        Ok(self.next(Wire::each)?.unwrap_or_default())
    }

    fn next<Given>(
        &self,
        give: impl Fn(&mut Wire, &[Notice], bool) -> serde_json::Result<Given>,
    ) -> Result<Option<Given>> {
        let mut run = self.run();
        let Some(Run { delivery, event_loop, wire }) = &mut *run else { return Ok(None) };
        event_loop.answer();
        let (notices, more) = delivery.take(BATCH);
        give(wire, &notices, more)
            .map(Some)
            .map_err(|error| Error::new(Code::System, format!("notices cannot be written: {error}")))
    }

    fn run(&self) -> MutexGuard<'_, Option<Run>> {
        // A panic under this lock has become an error of JavaScript's, and leaves what it guards whole.
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
