//! What ends the engine's rest where there are no uevents: the inbox.

use std::sync::Arc;
use std::time::Duration;

use super::inbox::Inbox;
use crate::error::Error;

/// What has ended a rest, beside a message: nothing of it is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Woken;

impl Woken {
    #[expect(clippy::unused_self, reason = "the face of Linux's")]
    pub(super) fn may_leave_it_to_a_guest(self) -> bool {
        false
    }
}

/// What the engine's threads wait for.
pub(super) struct Watch(Arc<Inbox>);

impl Watch {
    #[expect(clippy::unnecessary_wraps, reason = "the face of Linux's")]
    pub(super) fn new(inbox: &Arc<Inbox>) -> Result<Self, Error> {
        Ok(Self(Arc::clone(inbox)))
    }

    /// Waits for a message, or for the end of `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> Woken {
        self.0.bell().wait(timeout);
        Woken
    }
}
