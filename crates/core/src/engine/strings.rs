//! Reading strings where it may take long: on threads that may wait for a device's lock while the engine may not.
//!
//! A string that is there comes back at once and nothing changes its place in the order of events. One that has to be
//! waited for comes later, and the engine goes on meanwhile; after [`PATIENCE`] the device is told without it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::announcer::Cause;
use super::inbox::{Inbox, Message};
use crate::device::{Address, Device};
use crate::platform::bus::StringsToRead;
use crate::threads;

/// How long a device's attach waits for its strings. Drivers that talk to their device while they probe take some ten
/// milliseconds; one that hangs must not keep its device from being told.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// How long the engine itself waits, so that what needs no waiting keeps its place.
const AT_ONCE: Duration = Duration::from_millis(1);
/// Each thread waits for one device's lock at a time.
const MOST_THREADS: usize = 16;

struct Job {
    strings: StringsToRead,
    done: SyncSender<Device>,
    /// Set once the engine no longer stands and waits: it has to be woken then.
    left_alone: Arc<AtomicBool>,
}

/// A device whose strings have not come at once.
struct Awaited {
    without: Device,
    cause: Cause,
    done: Receiver<Device>,
    until: Instant,
}

/// The threads, and the devices that wait for them.
pub(super) struct Strings {
    inbox: Arc<Inbox>,
    jobs: Option<Sender<Job>>,
    queue: Arc<Mutex<Receiver<Job>>>,
    threads: Vec<JoinHandle<()>>,
    /// Jobs that have not been finished.
    open: Arc<AtomicUsize>,
    awaited: HashMap<String, Awaited>,
}

impl Strings {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        let (jobs, queue) = channel();
        Self {
            inbox,
            jobs: Some(jobs),
            queue: Arc::new(Mutex::new(queue)),
            threads: Vec::new(),
            open: Arc::default(),
            awaited: HashMap::new(),
        }
    }

    /// Reads the strings of the device called `name`. None where they have to be waited for.
    pub(super) fn read(&mut self, name: &str, strings: StringsToRead, cause: Cause) -> Option<Device> {
        let without = strings.without();
        let (done, result) = sync_channel(1);
        let left_alone = Arc::new(AtomicBool::new(false));
        let busy = self.open.fetch_add(1, Ordering::AcqRel);
        if busy >= self.threads.len() && self.threads.len() < MOST_THREADS {
            self.add_thread();
        }
        let job = Job { strings, done, left_alone: Arc::clone(&left_alone) };
        if self.threads.is_empty() || self.jobs.as_ref().is_none_or(|jobs| jobs.send(job).is_err()) {
            // The process can have no thread more; what is known is told.
            self.open.fetch_sub(1, Ordering::AcqRel);
            return Some(without);
        }
        if let Ok(device) = result.recv_timeout(AT_ONCE) {
            return Some(device);
        }
        left_alone.store(true, Ordering::SeqCst);
        // Whoever finished between the two lines above did not wake the engine.
        if let Ok(device) = result.try_recv() {
            return Some(device);
        }
        let until = Instant::now() + PATIENCE;
        self.awaited.insert(name.to_owned(), Awaited { without, cause, done: result, until });
        None
    }

    /// Whether a device with this address is being waited for.
    pub(super) fn awaits(&self, address: Address) -> bool {
        self.awaited.values().any(|awaited| awaited.without.address == address)
    }

    /// What was known at once of the device called `name`, if it is being waited for.
    pub(super) fn awaited(&self, name: &str) -> Option<&Device> {
        self.awaited.get(name).map(|awaited| &awaited.without)
    }

    /// The device called `name`, with what is known of it by now, if it is being waited for.
    pub(super) fn take(&mut self, name: &str) -> Option<(Device, Cause)> {
        let Awaited { without, cause, done, .. } = self.awaited.remove(name)?;
        Some((done.try_recv().unwrap_or(without), cause))
    }

    /// The hubs above the device called `name` that are being waited for, from the root hub outward.
    pub(super) fn take_above(&mut self, name: &str) -> Vec<(String, Device, Cause)> {
        if self.awaited.is_empty() {
            return Vec::new();
        }
        hubs_above(name)
            .into_iter()
            .filter_map(|hub| self.take(&hub).map(|(device, cause)| (hub, device, cause)))
            .collect()
    }

    /// Devices whose strings have come, or have been waited for long enough, in the order in which the devices came.
    pub(super) fn take_ready(&mut self, now: Instant) -> Vec<(String, Device, Cause)> {
        let mut ready = Vec::new();
        self.awaited.retain(|name, awaited| {
            let device = match awaited.done.try_recv() {
                Ok(device) => device,
                Err(_) if now >= awaited.until => awaited.without.clone(),
                Err(_) => return true,
            };
            ready.push((awaited.until, name.clone(), device, awaited.cause));
            false
        });
        ready.sort_by_key(|(until, ..)| *until);
        ready.into_iter().map(|(_, name, device, cause)| (name, device, cause)).collect()
    }

    /// All devices that are being waited for, with what is known of them by now.
    pub(super) fn take_all(&mut self) -> Vec<(String, Device, Cause)> {
        self.take_ready(Instant::now() + PATIENCE)
    }

    /// When the next device will have been waited for long enough.
    pub(super) fn next(&self) -> Option<Instant> {
        self.awaited.values().map(|awaited| awaited.until).min()
    }

    fn add_thread(&mut self) {
        let (queue, open, inbox) = (Arc::clone(&self.queue), Arc::clone(&self.open), Arc::clone(&self.inbox));
        let thread = threads::spawn("aw-strings", move || {
            loop {
                let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(Job { strings, done, left_alone }) = job else { return };
                let device = strings.read();
                open.fetch_sub(1, Ordering::AcqRel);
                // Nobody takes it any more where the device has been told without its strings.
                let _ = done.send(device);
                if left_alone.load(Ordering::SeqCst) {
                    inbox.send(Message::StringsRead);
                }
            }
        });
        match thread {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::warn!(%error, "no further thread to read strings"),
        }
    }
}

/// Names of the hubs between the bus and the device called `name`: `usb1` and `1-4` for `1-4.2`.
fn hubs_above(name: &str) -> Vec<String> {
    let Some((bus, ports)) = name.split_once('-') else { return Vec::new() };
    let hubs = ports.match_indices('.').map(|(dot, _)| format!("{bus}-{}", &ports[..dot]));
    std::iter::once(format!("usb{bus}")).chain(hubs).collect()
}

impl Drop for Strings {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if self.open.load(Ordering::Acquire) > 0 {
            // A thread that waits for a device's lock cannot be called back, and a stop must not wait for a driver
            // that hangs. It owns all that it uses and ends by itself when the kernel answers.
            tracing::warn!("left a thread behind that waits for a device's driver");
            return;
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("thread that reads strings panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_are_named_from_the_root_outward() {
        assert_eq!(hubs_above("1-4.2.3"), ["usb1", "1-4", "1-4.2"]);
        assert_eq!(hubs_above("12-1"), ["usb12"]);
        assert!(hubs_above("usb1").is_empty());
    }
}
