//! Reading strings where it may take long: on threads that may wait for a device's lock while the engine may not.
//!
//! A string that is there comes back at once and nothing changes its place in the order of events. One that has to be
//! waited for comes later, and the engine goes on meanwhile; after [`PATIENCE`] the device is told without it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
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
/// A thread that is one of several ends when it has had nothing to do for so long: each has a stack, and a heap of its own.
const IDLE: Duration = Duration::from_secs(1);

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
    /// Threads that have not decided to end.
    alive: Arc<AtomicUsize>,
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
            alive: Arc::default(),
            open: Arc::default(),
            awaited: HashMap::new(),
        }
    }

    /// Reads the strings of the device called `name`. None where they have to be waited for.
    pub(super) fn read(&mut self, name: &str, strings: StringsToRead, cause: Cause) -> Option<Device> {
        let without = strings.without();
        let (done, result) = sync_channel(1);
        let left_alone = Arc::new(AtomicBool::new(false));
        let open = self.open.fetch_add(1, Ordering::AcqRel) + 1;
        let job = Job { strings, done, left_alone: Arc::clone(&left_alone) };
        let is_taken = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        // Looked at when the job is there: a thread that decides to end looks for one after that.
        let alive = self.alive.load(Ordering::SeqCst);
        if alive < open.min(MOST_THREADS) {
            self.add_thread();
        }
        if !is_taken || self.alive.load(Ordering::SeqCst) == 0 {
            // The process can have no thread more; what is known is told.
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
        self.threads.retain(|thread| !thread.is_finished());
        let (queue, alive, open) = (Arc::clone(&self.queue), Arc::clone(&self.alive), Arc::clone(&self.open));
        let inbox = Arc::clone(&self.inbox);
        self.alive.fetch_add(1, Ordering::SeqCst);
        let thread = threads::spawn("aw-strings", move || {
            while let Some(Job { strings, done, left_alone }) = next(&queue, &alive) {
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
            Err(error) => {
                self.alive.fetch_sub(1, Ordering::SeqCst);
                tracing::warn!(%error, "no further thread to read strings");
            }
        }
    }
}

/// The next job for a thread; none where it is to end.
fn next(queue: &Mutex<Receiver<Job>>, alive: &AtomicUsize) -> Option<Job> {
    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    // The last one stays: to start one costs a device that comes more than to wake one.
    if alive.load(Ordering::SeqCst) <= 1 {
        return queue.recv().ok();
    }
    match queue.recv_timeout(IDLE) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            alive.fetch_sub(1, Ordering::SeqCst);
            // Whoever has sent one since has counted this thread.
            let job = queue.try_recv().ok();
            if job.is_some() {
                alive.fetch_add(1, Ordering::SeqCst);
            }
            job
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

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_that_several_slow_devices_needed_end_when_they_are_idle_and_one_stays() {
        use crate::clock::Moment;
        use crate::event::Backend;
        use crate::platform::Description;
        use crate::sysfs::test_tree::Tree;

        let (tree, sysfs) = Tree::with("strings", b"x\n");
        let cause = Cause {
            backend: Backend::Netlink,
            synthetic: None,
            observed: Moment::now(),
            libusb_alive: false,
            seqnum: None,
        };
        let to_read = || match sysfs.describe_uevent(&Tree::uevent(5)) {
            Description::WithoutStrings(strings) => strings,
            Description::Whole(_) => panic!("it has strings"),
        };
        let mut strings = Strings::new(Arc::new(Inbox::new().expect("an inbox")));
        // Nobody writes there for now: whoever reads it waits, as for a device's lock.
        let writer = tree.have_wait("product");
        for name in ["1-1", "1-2", "1-3", "1-4"] {
            assert!(strings.read(name, to_read(), cause).is_none(), "{name} has to be waited for");
        }
        assert_eq!(strings.alive.load(Ordering::SeqCst), 4);
        writer.end();
        let deadline = Instant::now() + Duration::from_secs(60);
        while strings.alive.load(Ordering::SeqCst) > 1 {
            assert!(Instant::now() < deadline, "{} threads stay", strings.alive.load(Ordering::SeqCst));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(strings.take_ready(Instant::now()).len(), 4);
        // The one that stays still reads, and is no reason to start another one.
        tree.write("product", b"again\n");
        let device = strings.read("1-5", to_read(), cause).expect("at once");
        assert_eq!(device.product.as_deref(), Some("again"));
        assert_eq!(strings.alive.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn hubs_are_named_from_the_root_outward() {
        assert_eq!(hubs_above("1-4.2.3"), ["usb1", "1-4", "1-4.2"]);
        assert_eq!(hubs_above("12-1"), ["usb12"]);
        assert!(hubs_above("usb1").is_empty());
    }
}
