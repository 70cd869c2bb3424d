//! What an earlier run of the daemon has left: each device of which it has told has either stayed, and is told to subscribers
//! only, or has left, and gets its detach.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Announcer, Attached, Cause, INJECTED, Key, SIMULATED};
use crate::clock::Moment;
use crate::device::Address;
use crate::event::{Action, Attachment, Backend, Event, Synthetic};
use crate::notice::Notice;
use crate::outbox::{Earlier, EarlierAttachment};

/// What has become of a device of which an earlier run has told.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum Fate {
    /// Something is there at this address, with this inode.
    Present(Address, Option<u64>),
    /// Nothing is there.
    Absent,
    /// It is changing just now: what comes next tells.
    Unknown,
}

impl Announcer {
    /// Whether this is a device of which an earlier run has told. Then subscribers are told that it is there; to the
    /// stream it is no news.
    pub(in crate::engine) fn stay(
        &mut self,
        name: &str,
        address: Address,
        inode: impl FnOnce() -> Option<u64>,
        libusb_alive: bool,
    ) -> bool {
        let Some(earlier) = self.earlier.take(name) else { return false };
        if !is_same(&earlier, address, inode()) {
            self.end_earlier(name.to_owned(), &earlier, libusb_alive);
            return false;
        }
        let attachment = Arc::new(self.again(&earlier));
        self.readying.came(name, &attachment, Instant::now(), false);
        self.attached.insert(
            Key::Kernel(name.to_owned()),
            Attached { name: name.to_owned(), attachment: Arc::clone(&attachment) },
        );
        let event = Event { attachment, synthetic: Some(Synthetic::Startup), ..(*earlier.attach).clone() };
        self.hub.tell(&Notice::Stayed(Arc::new(event)));
        true
    }

    /// Announces that a device of which an earlier run has told has left: this very one. False where it is another one, or unknown.
    pub(in crate::engine) fn end_left(&mut self, name: &str, address: Address, cause: Cause) -> bool {
        let Some(earlier) = self.earlier.take(name) else { return false };
        if !is_same(&earlier, address, None) {
            self.earlier.put_back(name.to_owned(), earlier);
            return false;
        }
        let attachment = self.again(&earlier);
        self.serials.detach(&attachment.device);
        self.announce(name.to_owned(), Action::Detach, Arc::new(attachment), cause, None);
        true
    }

    /// Names and addresses of all that has been told of and has not left, in an earlier run of this boot or in this one.
    pub(in crate::engine) fn attached_names(&self) -> HashMap<String, Address> {
        let earlier = self.earlier.addresses().map(|(name, address)| (name.to_owned(), address));
        let own = self
            .attached
            .values()
            .map(|attached| (attached.name.clone(), attached.attachment.device.address));
        earlier.chain(own).collect()
    }

    /// What an earlier run has left that is not settled yet.
    pub(in crate::engine) fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    /// Announces the end of what an earlier run was only told of: that lasts no longer than its daemon.
    pub(in crate::engine) fn end_told(&mut self, libusb_alive: bool) {
        let is_told = |key: &str| key.starts_with(SIMULATED) || key.starts_with(INJECTED);
        for (key, earlier) in self.earlier.take_where(|key, _| is_told(key)) {
            self.end_earlier(key, &earlier, libusb_alive);
        }
    }

    /// Announces the end of all that an earlier run has told of and whose `fate` is not to be there, or not known yet.
    pub(in crate::engine) fn end_absent(&mut self, fate: impl Fn(&str) -> Fate, libusb_alive: bool) {
        if self.earlier.is_settled() {
            return;
        }
        let left = self.earlier.take_where(|name, earlier| match fate(name) {
            Fate::Present(address, inode) => !is_same(earlier, address, inode),
            Fate::Unknown => !earlier.same_boot,
            Fate::Absent => true,
        });
        for (key, earlier) in left {
            self.end_earlier(key, &earlier, libusb_alive);
        }
    }

    pub(super) fn end_earlier(&mut self, key: String, earlier: &EarlierAttachment, libusb_alive: bool) {
        let backend = match key.as_str() {
            key if key.starts_with(SIMULATED) => Backend::Simulated,
            key if key.starts_with(INJECTED) => Backend::Injected,
            _ => Backend::Snapshot,
        };
        let cause = Cause {
            backend,
            synthetic: Some(earlier.cause_of_detach()),
            observed: Moment::now(),
            libusb_alive,
            seqnum: None,
        };
        let attachment = self.again(earlier);
        if earlier.same_boot {
            self.serials.detach(&attachment.device);
        }
        self.announce(key, Action::Detach, Arc::new(attachment), cause, None);
    }

    fn again(&mut self, earlier: &EarlierAttachment) -> Attachment {
        self.instances += 1;
        Attachment { instance: self.instances, ..(*earlier.attach.attachment).clone() }
    }
}

/// Bus and address come again, but not with the same inode. Where one of those is not known, the address decides: it
/// comes again only after more than a hundred others.
fn is_same(earlier: &EarlierAttachment, address: Address, inode: Option<u64>) -> bool {
    let device = &earlier.attach.attachment.device;
    let same_inode = match (device.inode, inode) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    };
    earlier.same_boot && device.address == address && same_inode
}
