//! What the outbox logs of single events. Where nobody listens, nothing is looked for.

use tracing::{Level, debug, enabled};

use super::Outbox;
use super::store::Placed;
use crate::event::Event;

const FULL: &str = "the outbox is full";

impl Outbox {
    /// What is at hand and not stored yet could not be stored.
    pub(super) fn log_unsaved(&self, reason: &str) {
        for Placed { event, .. } in self.recent.iter().filter(|placed| placed.position > self.saved) {
            debug!(event_id = event.event_id(), step = "store", reason, "failed");
        }
    }

    /// The event at this place is dropped, so that a new one finds room. Its name is known as long as it is at hand.
    pub(super) fn log_dropped(&self, position: i64) {
        if enabled!(Level::DEBUG)
            && let Some(Placed { event, .. }) = self.recent.iter().find(|placed| placed.position == position)
        {
            debug!(event_id = event.event_id(), step = "publish", reason = FULL, "failed");
        }
    }
}

/// An event is dropped, because those that wait have the room.
pub(super) fn log_refused(event: &Event) {
    debug!(event_id = event.event_id(), step = "store", reason = FULL, "failed");
}
