//! Where the engine leaves what is to be done for it, and finds what has become of that.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use crate::device::Device;
use crate::engine::watch::Woken;
use crate::platform::bus::StringsToRead;

/// What the engine cannot do by itself.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, on its way from one thread to itself")]
pub(super) enum Request {
    /// To read, which may have to wait for a driver.
    Read(StringsToRead),
    /// To wait for something to do, so long at most.
    Rest(Duration),
}

/// What has become of a request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "as above")]
enum Reply {
    Read(Answer),
    Rested(Woken),
}

/// What has become of a request to read.
#[derive(Debug)]
pub(in crate::engine) enum Answer {
    /// The device with its strings.
    Read(Device),
    /// It will come here, and [`Message::StringsRead`](super::Message::StringsRead) says when.
    Later(Receiver<Device>),
    /// Every thread waits for some driver. [`Message::StringsRead`](super::Message::StringsRead) says when one does no more.
    Busy(StringsToRead),
}

/// Where the engine leaves what is to be done for it.
#[derive(Clone, Default)]
pub(in crate::engine) struct Desk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    paper: Mutex<Paper>,
    /// Whoever runs the engine is none of its threads, and must not be kept.
    is_guest: AtomicBool,
}

#[derive(Default)]
enum Paper {
    #[default]
    Nothing,
    Asked(Request),
    Answered(Reply),
}

impl Desk {
    /// Reads strings: at once, as far as the rest of the engine is concerned.
    pub(in crate::engine) async fn read(&self, strings: StringsToRead) -> Answer {
        match self.ask(Request::Read(strings)).await {
            Reply::Read(answer) => answer,
            Reply::Rested(_) => unreachable!("a request is answered by its own kind"),
        }
    }

    /// Waits until there is something to do, or for so long.
    pub(in crate::engine) async fn rest(&self, timeout: Duration) -> Woken {
        match self.ask(Request::Rest(timeout)).await {
            Reply::Rested(woken) => woken,
            Reply::Read(_) => unreachable!("a request is answered by its own kind"),
        }
    }

    /// Goes on where it may take its time: on a thread of the engine's own.
    pub(in crate::engine) async fn home(&self) {
        poll_fn(|_| if self.has_guest() { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    /// Whether whoever runs the engine must not be kept.
    pub(in crate::engine) fn has_guest(&self) -> bool {
        self.0.is_guest.load(Ordering::Relaxed)
    }

    async fn ask(&self, request: Request) -> Reply {
        let mut asked = Some(request);
        poll_fn(|_| {
            let mut paper = self.paper();
            match (asked.take(), std::mem::take(&mut *paper)) {
                (Some(request), _) => *paper = Paper::Asked(request),
                (None, Paper::Answered(reply)) => return Poll::Ready(reply),
                (None, unanswered) => *paper = unanswered,
            }
            Poll::Pending
        })
        .await
    }

    pub(super) fn request(&self) -> Option<Request> {
        let mut paper = self.paper();
        match std::mem::take(&mut *paper) {
            Paper::Asked(request) => Some(request),
            other => {
                *paper = other;
                None
            }
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.paper() = Paper::Answered(Reply::Read(answer));
    }

    pub(super) fn wake(&self, woken: Woken) {
        *self.paper() = Paper::Answered(Reply::Rested(woken));
    }

    /// From now on the engine is run by a guest, or is not.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody visits elsewhere"))]
    pub(super) fn set_guest(&self, is_guest: bool) {
        self.0.is_guest.store(is_guest, Ordering::Relaxed);
    }

    fn paper(&self) -> MutexGuard<'_, Paper> {
        // Nothing under this lock panics.
        self.0.paper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
