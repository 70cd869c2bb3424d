//! What an earlier run has left: devices that were attached when it ended.

use std::collections::HashMap;
use std::sync::Arc;

use crate::device::{Address, Device, SharedSerials};
use crate::event::{Attachment, Event, Synthetic};
use crate::spool::{Claims, Settled};

/// An attachment of which an earlier run has told.
#[derive(Clone, Debug)]
pub struct EarlierAttachment {
    /// Its attach event.
    pub attach: Arc<Event>,
    /// The machine has not been started anew since: bus, address and inode still mean what they meant.
    pub same_boot: bool,
    order: usize,
}

/// Attachments of which an earlier run has told, and that this one has not found out about yet.
#[derive(Debug, Default)]
pub struct Earlier {
    attachments: HashMap<String, EarlierAttachment>,
    /// Which uevents of this boot it has dealt with.
    settled: Settled,
    /// Of which instances its snapshots have told of late.
    claims: Claims,
    /// Which serial numbers it, or any run before, has seen on two devices at once.
    shared: SharedSerials,
    cause: Option<Synthetic>,
}

impl Earlier {
    pub(crate) fn new(
        is_new: bool,
        attached: Vec<(String, Event, String)>,
        boot_id: &str,
        last_boot_id: &str,
    ) -> Self {
        let cause = match (is_new, last_boot_id) {
            (true, _) => None,
            // It was made and has seen no event: nothing was there.
            (false, "") => Some(Synthetic::MissedWhileDown),
            (false, last) if last == boot_id => Some(Synthetic::MissedWhileDown),
            (false, _) => Some(Synthetic::Reboot),
        };
        let attachments = attached
            .into_iter()
            .enumerate()
            .map(|(order, (key, attach, boot))| {
                let same_boot = !boot.is_empty() && boot == boot_id;
                (key, EarlierAttachment { attach: Arc::new(attach), same_boot, order })
            })
            .collect();
        Self { attachments, cause, ..Self::default() }
    }

    pub(crate) fn with_settled(self, settled: Settled, claims: Claims) -> Self {
        Self { settled, claims, ..self }
    }

    pub(crate) fn with_shared_serials(self, shared: SharedSerials) -> Self {
        Self { shared, ..self }
    }

    /// Which serial numbers identify nothing, as far as any run of this outbox has seen: in whichever boot.
    pub fn shared_serials(&self) -> &SharedSerials {
        &self.shared
    }

    /// Those that began in this boot.
    pub fn of_this_boot(&self) -> impl Iterator<Item = &Attachment> {
        let of_this_boot = self.attachments.values().filter(|earlier| earlier.same_boot);
        of_this_boot.map(|earlier| &*earlier.attach.attachment)
    }

    /// Which uevents of this boot it has dealt with.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// Of which instances its snapshots have told of late, in this boot.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether it ran in this boot: what it told of then still holds, unless it has been missed.
    pub fn continues(&self) -> bool {
        self.cause == Some(Synthetic::MissedWhileDown)
    }

    /// Names and addresses of those that began in this boot.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, Address)> {
        let of_this_boot = self.attachments.iter().filter(|(_, earlier)| earlier.same_boot);
        of_this_boot.map(|(key, earlier)| (key.as_str(), earlier.attach.attachment.device.address))
    }

    /// The device of this name, where it began in this boot.
    pub fn device(&self, name: &str) -> Option<&Device> {
        let earlier = self.attachments.get(name).filter(|earlier| earlier.same_boot)?;
        Some(&earlier.attach.attachment.device)
    }

    /// Why a device that is present at start has not been told of before.
    pub fn cause_of_attach(&self) -> Synthetic {
        self.cause.unwrap_or(Synthetic::Startup)
    }

    /// Whether there is nothing left to find out.
    pub fn is_settled(&self) -> bool {
        self.attachments.is_empty()
    }

    /// Takes the attachment of this name.
    pub fn take(&mut self, key: &str) -> Option<EarlierAttachment> {
        self.attachments.remove(key)
    }

    /// Puts back what has been taken.
    pub fn put_back(&mut self, key: String, attachment: EarlierAttachment) {
        self.attachments.insert(key, attachment);
    }

    /// Takes all attachments whose name and self `left` accepts, the last one first: what hangs on a hub before it.
    pub fn take_where(
        &mut self,
        left: impl Fn(&str, &EarlierAttachment) -> bool,
    ) -> Vec<(String, EarlierAttachment)> {
        let mut taken: Vec<_> =
            self.attachments.extract_if(|key, attachment| left(key, attachment)).collect();
        taken.sort_by_key(|(_, attachment)| std::cmp::Reverse(attachment.order));
        taken
    }
}

impl EarlierAttachment {
    /// Why it has ended.
    pub fn cause_of_detach(&self) -> Synthetic {
        if self.same_boot { Synthetic::MissedWhileDown } else { Synthetic::Reboot }
    }
}
