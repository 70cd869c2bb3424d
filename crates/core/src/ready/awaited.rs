//! A device that is awaited: what has been heard of it, and when it is worth a look.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::message::{Action, Heard, Sender};

/// Where no message can tell, nothing having been heard for so long does.
pub(super) const QUIET: Duration = Duration::from_millis(100);
/// Where it is not known what udev was told before anybody listened, and udev never rests, for so long: each node has its record by then,
/// which udev writes once it has set whose the node is. And a device that has no interfaces by then may have none to come.
const LONG_QUIET: Duration = Duration::from_secs(1);
/// So many open numbers are no account any more.
const MOST_OPEN: usize = 1024;

/// What has been heard of one device.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is heard of by itself")]
pub(super) struct Listening {
    devpath: String,
    /// The kernel has said that the device has its driver: all interfaces have been offered to drivers by then.
    is_bound: bool,
    /// Interfaces of which the kernel has said that a driver has finished with its probing.
    bound: BTreeSet<String>,
    /// What the kernel has told udev of and udev has not answered; and the other way round, where the answer was heard first.
    asked: BTreeSet<u64>,
    answered: BTreeSet<u64>,
    /// The kernel has said anything at all.
    is_told: bool,
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
            bound: BTreeSet::new(),
            is_told: false,
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
        let stays = self.take(heard);
        if self.asked.len().max(self.answered.len()) > MOST_OPEN {
            self.lose();
        }
        stays
    }

    /// False where the device itself has gone.
    fn take(&mut self, heard: &Heard) -> bool {
        match heard.from {
            Sender::Udev => meet(heard.seqnum, &mut self.asked, &mut self.answered),
            Sender::Kernel => {
                self.is_told = true;
                meet(heard.seqnum, &mut self.answered, &mut self.asked);
                if heard.devpath == self.devpath {
                    self.is_bound |= heard.action == Action::Bind;
                    return heard.action != Action::Remove;
                }
                match heard.action {
                    Action::Bind if heard.name().contains(':') => {
                        self.bound.insert(heard.name().to_owned());
                    }
                    Action::Unbind | Action::Remove => {
                        self.bound.remove(heard.name());
                    }
                    Action::Bind | Action::Other => {}
                }
            }
        }
        true
    }

    /// Messages were lost.
    pub(super) fn lose(&mut self) {
        self.hears_all = false;
        self.asked.clear();
        self.answered.clear();
        self.is_news = true;
    }

    /// Asks for a look.
    pub(super) fn look_again(&mut self) {
        self.is_news = true;
    }

    /// Whether the kernel has said that it has finished. Where it says nothing at all, sysfs is believed once it has been quiet; it is told whether
    /// that was for long.
    pub(super) fn kernel_is_done(&self, sysfs_says_so: impl FnOnce(bool) -> bool, now: Instant) -> bool {
        let is_deaf = !self.is_told && self.is_quiet(now);
        self.is_bound || ((!self.hears_all || is_deaf) && sysfs_says_so(self.is_long_quiet(now)))
    }

    /// Whether a driver may still be probing one of these interfaces: its link is there before it begins.
    pub(super) fn is_probed<'a>(&self, mut driven: impl Iterator<Item = &'a str>, now: Instant) -> bool {
        let hears_kernel = self.hears_all && self.is_told;
        if hears_kernel { !driven.all(|name| self.bound.contains(name)) } else { !self.is_quiet(now) }
    }

    /// Whether udev has finished. `hears_udev`: it has been heard on this socket, which in a container it may never be.
    pub(super) fn udev_is_done(&mut self, is_at_rest: bool, hears_udev: bool, now: Instant) -> bool {
        let is_past = is_at_rest || self.is_long_quiet(now);
        if is_past && !self.hears_all && self.is_quiet(now) {
            return true;
        }
        let has_answered = self.hears_all && self.asked.is_empty() && (hears_udev || self.is_quiet(now));
        // An answer that was never given, as by a udevd that was started anew, is not waited for where udev has nothing to do.
        has_answered || (is_at_rest && self.is_quiet(now) && (!hears_udev || self.is_long_quiet(now)))
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now >= self.heard_last + QUIET
    }

    fn is_long_quiet(&self, now: Instant) -> bool {
        now >= self.heard_last + LONG_QUIET
    }

    /// When it is to be looked at although nothing new comes.
    pub(super) fn looks(&self) -> impl Iterator<Item = Instant> {
        let long = (!self.hears_all || !self.is_told || !self.asked.is_empty()).then_some(LONG_QUIET);
        [QUIET].into_iter().chain(long).map(|quiet| self.heard_last + quiet)
    }

    /// Whether something is new, once.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }
}

/// A number is settled once both have said it.
fn meet(number: u64, others: &mut BTreeSet<u64>, own: &mut BTreeSet<u64>) {
    if !others.remove(&number) {
        own.insert(number);
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
        assert!(!device.udev_is_done(false, true, now + LONG_QUIET), "udev works at something");
        assert!(device.udev_is_done(true, true, now + LONG_QUIET), "it has forgotten that one");
    }

    #[test]
    fn the_kernel_has_finished_with_the_devices_own_bind_and_not_with_an_interfaces() {
        let (mut device, now) = listening(true);
        device.hear(&heard(Sender::Kernel, Action::Bind, "/1-4:1.0", 1), now);
        assert!(!device.kernel_is_done(|_| true, now + QUIET), "a driver may probe for long, and in silence");
        assert!(device.hear(&heard(Sender::Kernel, Action::Bind, "", 2), now));
        assert!(device.kernel_is_done(|_| false, now));
        assert!(!device.hear(&heard(Sender::Kernel, Action::Remove, "", 3), now), "it has gone");
        assert!(device.hear(&heard(Sender::Kernel, Action::Remove, "/1-4:1.0", 4), now));
    }

    #[test]
    fn a_driver_probes_until_its_bind_is_heard_however_long_its_link_is_there() {
        let (mut device, now) = listening(true);
        let is_probed = |device: &Listening, at| device.is_probed(["1-4:1.0"].into_iter(), at);
        device.hear(&heard(Sender::Kernel, Action::Bind, "", 1), now);
        assert!(is_probed(&device, now + LONG_QUIET), "a module that was loaded later");
        device.hear(&heard(Sender::Kernel, Action::Bind, "/1-4:1.0", 2), now);
        assert!(!is_probed(&device, now));
        device.hear(&heard(Sender::Kernel, Action::Unbind, "/1-4:1.0", 3), now);
        assert!(is_probed(&device, now));
        device.lose();
        assert!(
            is_probed(&device, now) && !is_probed(&device, now + QUIET),
            "who has missed it has to guess"
        );
    }

    #[test]
    fn numbers_that_nobody_answers_take_no_memory_without_end() {
        let (mut device, now) = listening(true);
        for number in 0..3 * MOST_OPEN as u64 {
            device.hear(&heard(Sender::Kernel, Action::Other, "", number), now);
            assert!(device.asked.len() <= MOST_OPEN);
        }
        assert!(!device.hears_all);
        let (mut device, now) = listening(true);
        for number in 0..3 * MOST_OPEN as u64 {
            device.hear(&heard(Sender::Kernel, Action::Other, "", number), now);
            device.hear(&heard(Sender::Udev, Action::Other, "", number), now);
        }
        assert!(device.hears_all && device.asked.is_empty() && device.answered.is_empty());
    }

    #[test]
    fn who_hears_nothing_believes_sysfs_once_it_is_quiet() {
        let (mut device, now) = listening(true);
        assert!(!device.kernel_is_done(|_| true, now) && !device.kernel_is_done(|_| false, now + QUIET));
        assert!(device.kernel_is_done(|_| true, now + QUIET));
        // In a container the kernel is heard and udev is not.
        device.hear(&heard(Sender::Kernel, Action::Other, "", 1), now);
        assert!(!device.udev_is_done(true, false, now));
        assert!(!device.udev_is_done(false, false, now + QUIET), "udev works at something");
        assert!(device.udev_is_done(true, false, now + QUIET));
    }

    #[test]
    fn what_only_a_long_quiet_shows_is_looked_at_then() {
        for hears_all in [true, false] {
            let (device, now) = listening(hears_all);
            let says_so = |is_long_quiet| is_long_quiet;
            assert!(!device.kernel_is_done(says_so, now + QUIET), "{hears_all}");
            let looks = device.looks().filter(|at| device.kernel_is_done(says_so, *at));
            assert_eq!(looks.collect::<Vec<_>>(), [now + LONG_QUIET], "{hears_all}");
        }
    }

    #[test]
    fn after_a_loss_udevs_rest_has_to_be_seen_once() {
        let (mut device, now) = listening(true);
        device.hear(&heard(Sender::Kernel, Action::Other, "", 1), now);
        device.lose();
        assert!(device.kernel_is_done(|_| true, now), "what sysfs says is all there is");
        assert!(!device.udev_is_done(false, true, now + QUIET));
        assert!(device.udev_is_done(true, true, now + QUIET));
        device.hear(&heard(Sender::Kernel, Action::Other, "", 2), now + QUIET);
        assert!(!device.udev_is_done(true, true, now + QUIET), "something goes on");
        let (mut device, now) = listening(false);
        assert!(device.udev_is_done(false, true, now + LONG_QUIET), "udev may never rest");
    }
}
