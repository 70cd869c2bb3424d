//! Reports that bring no event, and why.

use super::{Announcer, Cause, Key};
use crate::device::Device;
use crate::event::Action;
use crate::onlooker::Fact;
use crate::withheld::{Withheld, WithheldReason};

impl Announcer {
    /// The kernel has told once more of a device that is there, or whose strings are `awaited`.
    pub(in crate::engine) fn note_repeated(&self, name: &str, awaited: Option<&Device>, cause: Cause) {
        let key = Key::Kernel(name.to_owned());
        let attached = self.attached.get(&key).map(|attached| &attached.attachment.device);
        let filtered = self.filtered.get(&key).map(|(device, _)| device);
        if let Some(device) = attached.or(filtered).or(awaited) {
            self.repeat(&key, device, cause);
        }
    }

    /// Says that a report is no news.
    pub(super) fn repeat(&self, key: &Key, device: &Device, cause: Cause) {
        let detail = match (self.attached.get(key), self.filtered.get(key)) {
            (Some(attached), _) => format!("attached already as {}", attached.attachment.signature),
            (None, Some((_, by))) => format!("held back already by {by}"),
            (None, None) => "about to be told of".to_owned(),
        };
        self.withhold(device, Action::Attach, cause, WithheldReason::Duplicate, detail);
    }

    /// Says that a report about a device is no event, and why.
    pub(in crate::engine) fn withhold(
        &self,
        device: &Device,
        action: Action,
        cause: Cause,
        reason: WithheldReason,
        detail: String,
    ) {
        let Cause { backend, observed, .. } = cause;
        let withheld = Withheld::of(device, action, backend.as_str(), observed.ms, reason, detail);
        self.hub.note(&Fact::Withheld(&withheld));
    }

    pub(super) fn note_filtered(&self, device: &Device, action: Action, cause: Cause, by: &str) {
        self.withhold(device, action, cause, WithheldReason::Filtered, by.to_owned());
        self.intake.note_filtered();
        self.intake.wake();
    }
}
