//! One device that is looked at until it may be used.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Awaited;
use super::awaited::Listening;
use super::judgement::Judgement;
use super::readiness::Readiness;
use super::tree::{self, Tree};
use crate::clock;
use crate::device::Device;

const SYSFS: &str = "/sys";
/// What an interface's codes say of a HID device that no BIOS could use.
const HID_UNKNOWN: &str = "hid:other";

pub(super) struct Watched {
    awaited: Awaited,
    pub(super) listening: Listening,
    looked_at: Instant,
    deadline: Instant,
    /// A rule is to give it a driver.
    pub(super) wants_driver: bool,
    /// It has been told that something stands in the way.
    pub(super) is_told: bool,
}

impl Watched {
    /// It is told what stands in its way once it has been awaited for `timeout`.
    pub(super) fn new(
        awaited: Awaited,
        listening: Listening,
        timeout: Duration,
        wants_driver: bool,
        now: Instant,
    ) -> Self {
        let deadline = awaited.since + timeout;
        Self { awaited, listening, looked_at: now, deadline, wants_driver, is_told: false }
    }

    /// Which attachment it is.
    pub(super) fn instance(&self) -> u64 {
        self.awaited.attachment.instance
    }

    /// Its folder in sysfs. None where another device has its place by now.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let folder = folder(self.listening.devpath());
        is_same(&self.awaited, &folder).then_some(folder)
    }

    /// Whether it is worth a look: something is new, or nothing has come for long enough.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_quiet = self.listening.looks().any(|at| self.looked_at < at && now >= at);
        let due = self.listening.take_news() || is_quiet || self.is_late(now);
        if due {
            self.looked_at = now;
        }
        due
    }

    /// Whether it is time to tell what stands in the way.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        !self.is_told && now >= self.deadline
    }

    /// When it is due though nothing is heard.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let quiet = self.listening.looks().filter(|at| *at > now);
        let deadline = Some(self.deadline).filter(|_| !self.is_told);
        quiet.chain(deadline).min()
    }

    /// What is told of it.
    pub(super) fn readiness(&self, tree: Tree, judgement: Judgement) -> Readiness {
        let elapsed = self.awaited.since.elapsed();
        Readiness {
            is_ready: judgement.obstacles.is_empty(),
            obstacles: judgement.obstacles,
            timestamp: clock::now_ms(),
            elapsed_ms: elapsed.as_secs_f64() * 1e3,
            capabilities: capabilities(&self.awaited.attachment.device, &tree.capabilities),
            interfaces: tree.interfaces,
            nodes: judgement.nodes,
        }
    }
}

/// What it said at its attach, with what its interfaces say by now; of HID, that is better.
fn capabilities(device: &Device, said: &[&'static str]) -> Vec<&'static str> {
    let mut words = device.capabilities();
    let is_hid_known = said.iter().any(|word| word.starts_with("hid:"));
    words.retain(|word| !is_hid_known || *word != HID_UNKNOWN);
    for word in said {
        if !words.contains(word) {
            words.push(word);
        }
    }
    words
}

/// Whether the device in this folder is this one still.
pub(super) fn is_same(awaited: &Awaited, folder: &Path) -> bool {
    let inode = tree::inode(folder);
    inode.is_some() && awaited.attachment.device.inode.is_none_or(|own| inode == Some(own))
}

/// Path below /sys of the device that is called `name` now.
pub(super) fn devpath(name: &str) -> Option<String> {
    let target = Path::new(SYSFS).join("bus/usb/devices").join(name).read_link().ok()?;
    Some(format!("/{}", target.to_str()?.trim_start_matches("../")))
}

/// Where sysfs has the device with this path.
pub(super) fn folder(devpath: &str) -> PathBuf {
    Path::new(SYSFS).join(devpath.trim_start_matches('/'))
}
