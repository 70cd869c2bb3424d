//! Where the engine leaves what is to be read, and finds what has become of it.

use std::future::poll_fn;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use crate::device::Device;
use crate::platform::bus::StringsToRead;

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

/// Where the engine leaves what is to be read.
#[derive(Clone, Default)]
pub(in crate::engine) struct Desk(Arc<Mutex<Paper>>);

#[derive(Default)]
enum Paper {
    #[default]
    Nothing,
    Asked(StringsToRead),
    Answered(Answer),
}

impl Desk {
    /// Reads strings: at once, as far as the rest of the engine is concerned.
    pub(in crate::engine) async fn read(&self, strings: StringsToRead) -> Answer {
        let mut asked = Some(strings);
        poll_fn(|_| {
            let mut paper = self.paper();
            match (asked.take(), std::mem::take(&mut *paper)) {
                (Some(strings), _) => *paper = Paper::Asked(strings),
                (None, Paper::Answered(answer)) => return Poll::Ready(answer),
                (None, unanswered) => *paper = unanswered,
            }
            Poll::Pending
        })
        .await
    }

    pub(super) fn question(&self) -> Option<StringsToRead> {
        let mut paper = self.paper();
        match std::mem::take(&mut *paper) {
            Paper::Asked(strings) => Some(strings),
            other => {
                *paper = other;
                None
            }
        }
    }

    pub(super) fn answer(&self, answer: Answer) {
        *self.paper() = Paper::Answered(answer);
    }

    fn paper(&self) -> MutexGuard<'_, Paper> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
