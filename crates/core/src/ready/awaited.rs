//! A device that is awaited: what has been heard of it, and when it is worth a look.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::message::{Action, Heard, Sender};

/// Where no message can tell, nothing having been heard for so long does.
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// Where it is not known what udev was told before anybody listened, and udev never rests, for so long: each node has its record by then,
/// which udev writes once it has set whose the node is.
const LONG_QUIET: Duration = Duration::from_secs(1);

/// What has been heard of one device.
#[derive(Debug)]
pub(super) struct Listening {
    devpath: String,
    /// The kernel has said that the device has its driver: all interfaces have been offered to drivers by then.
    is_bound: bool,
    /// What udev has been told of by the kernel, and what it has finished with.
    asked: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    /// Nothing has been missed since it came. Where something was, sysfs and udev's rest have to tell.
    hears_all: bool,
    heard_last: Instant,
    /// Something is new since the last look.
    is_news: bool,
}

impl Listening {
    pub(super) fn new(devpath: String, hears_all: bool, now: Instant) -> Self {
        Self {
            devpath,
            is_bound: false,
            asked: BTreeSet::new(),
            answered: BTreeSet::new(),
            hears_all,
            heard_last: now,
            is_news: true,
        }
    }

    pub(super) fn devpath(&self) -> &str {
        &self.devpath
    }

    /// Takes in a message. False where it says that the device has gone.
    pub(super) fn hear(&mut self, heard: &Heard, now: Instant) -> bool {
        if !heard.is_within(&self.devpath) {
            return true;
        }
        self.is_news = true;
        self.heard_last = now;
        match heard.from {
            Sender::Udev => {
                self.answered.insert(heard.seqnum);
            }
            Sender::Kernel => {
                self.asked.insert(heard.seqnum);
                if heard.devpath == self.devpath {
                    self.is_bound |= heard.action == Action::Bind;
                    return heard.action != Action::Remove;
                }
            }
        }
        true
    }

    /// Messages were lost.
    pub(super) fn lose(&mut self) {
        self.hears_all = false;
        self.is_news = true;
    }

    /// Asks for a look.
    pub(super) fn look_again(&mut self) {
        self.is_news = true;
    }

    /// Whether the kernel has said that it has finished. Where it says nothing at all, sysfs is believed once it has been quiet.
    pub(super) fn kernel_is_done(&self, sysfs_says_so: impl FnOnce() -> bool, now: Instant) -> bool {
        let is_deaf = self.asked.is_empty() && self.is_quiet(now);
        self.is_bound || ((!self.hears_all || is_deaf) && sysfs_says_so())
    }

    /// Whether udev has finished. `hears_udev`: it has been heard on this socket, which in a container it may never be.
    pub(super) fn udev_is_done(&mut self, is_at_rest: bool, hears_udev: bool, now: Instant) -> bool {
        let is_past = is_at_rest || now >= self.heard_last + LONG_QUIET;
        if is_past && !self.hears_all && self.is_quiet(now) {
            // All that was missed has been dealt with: from here on, what is heard tells.
            self.asked.clear();
            self.hears_all = true;
        }
        let has_answered = self.asked.is_subset(&self.answered);
        (self.hears_all && has_answered && (hears_udev || self.is_quiet(now)))
            || (!hears_udev && is_at_rest && self.is_quiet(now))
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now >= self.heard_last + QUIET
    }

    /// When it is to be looked at although nothing new comes.
    pub(super) fn looks(&self) -> impl Iterator<Item = Instant> {
        let long = (!self.hears_all).then_some(LONG_QUIET);
        [QUIET].into_iter().chain(long).map(|quiet| self.heard_last + quiet)
    }

    /// Whether something is new, once.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "/devices/x/usb1/1-4";

    fn heard(from: Sender, action: Action, below: &str, seqnum: u64) -> Heard {
        Heard { from, action, devpath: format!("{DEVICE}{below}"), seqnum }
    }

    fn listening(hears_all: bool) -> (Listening, Instant) {
        let now = Instant::now();
        (Listening::new(DEVICE.into(), hears_all, now), now)
    }

    #[test]
    fn udev_has_finished_once_it_has_answered_all_that_the_kernel_has_said_in_any_order() {
        let (mut device, now) = listening(true);
        device.hear(&heard(Sender::Kernel, Action::Other, "", 1), now);
        device.hear(&heard(Sender::Udev, Action::Other, "/1-4:1.0", 2), now);
        assert!(!device.udev_is_done(true, true, now), "1 is not answered");
        device.hear(&heard(Sender::Kernel, Action::Other, "/1-4:1.0", 2), now);
        device.hear(&heard(Sender::Udev, Action::Other, "", 1), now);
        assert!(device.udev_is_done(false, true, now));
        device.hear(&heard(Sender::Kernel, Action::Other, "/1-4:1.0/ttyUSB0", 3), now);
        assert!(!device.udev_is_done(true, true, now + 2 * QUIET), "however quiet it is");
    }

    #[test]
    fn the_kernel_has_finished_with_the_devices_own_bind_and_not_with_an_interfaces() {
        let (mut device, now) = listening(true);
        device.hear(&heard(Sender::Kernel, Action::Bind, "/1-4:1.0", 1), now);
        assert!(!device.kernel_is_done(|| true, now + QUIET), "a driver may probe for long, and in silence");
        assert!(device.hear(&heard(Sender::Kernel, Action::Bind, "", 2), now));
        assert!(device.kernel_is_done(|| false, now));
        assert!(!device.hear(&heard(Sender::Kernel, Action::Remove, "", 3), now), "it has gone");
        assert!(device.hear(&heard(Sender::Kernel, Action::Remove, "/1-4:1.0", 4), now));
    }

    #[test]
    fn who_hears_nothing_believes_sysfs_once_it_is_quiet() {
        let (mut device, now) = listening(true);
        assert!(!device.kernel_is_done(|| true, now) && !device.kernel_is_done(|| false, now + QUIET));
        assert!(device.kernel_is_done(|| true, now + QUIET));
        // In a container the kernel is heard and udev is not.
        device.hear(&heard(Sender::Kernel, Action::Other, "", 1), now);
        assert!(!device.udev_is_done(true, false, now));
        assert!(!device.udev_is_done(false, false, now + QUIET), "udev works at something");
        assert!(device.udev_is_done(true, false, now + QUIET));
    }

    #[test]
    fn after_a_loss_udevs_rest_has_to_be_seen_once() {
        let (mut device, now) = listening(true);
        device.hear(&heard(Sender::Kernel, Action::Other, "", 1), now);
        device.lose();
        assert!(device.kernel_is_done(|| true, now), "what sysfs says is all there is");
        assert!(!device.udev_is_done(false, true, now + QUIET));
        assert!(device.udev_is_done(true, true, now + QUIET));
        device.hear(&heard(Sender::Kernel, Action::Other, "", 2), now + QUIET);
        assert!(!device.udev_is_done(true, true, now + 3 * QUIET), "from then on answers count again");
        let (mut device, now) = listening(false);
        assert!(device.udev_is_done(false, true, now + LONG_QUIET), "udev may never rest");
    }
}
