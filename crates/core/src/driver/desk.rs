//! Devices that rules are about, on their way to the thread that sees to them.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::device::PortPath;
use crate::event::Event;

/// A device that a rule is about.
pub(super) struct Job {
    pub(super) event: Arc<Event>,
    pub(super) rule: usize,
    pub(super) attempts: u32,
    /// How often it was looked at before it had interfaces.
    pub(super) looks: u32,
    pub(super) due: Instant,
    /// What the last try has asked for, and why that has failed.
    pub(super) failed: Option<(Vec<String>, String)>,
    /// Interfaces that had no driver before the first try.
    pub(super) unbound: Vec<String>,
}

impl Job {
    pub(super) fn new(event: Arc<Event>, rule: usize, due: Instant) -> Self {
        Self { event, rule, attempts: 0, looks: 0, due, failed: None, unbound: Vec::new() }
    }
}

/// The last device of each port: while a driver keeps the thread, what comes and goes there brings no more than that.
pub(super) type Jobs = HashMap<PortPath, Job>;

/// Where they wait.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: Jobs,
    is_closed: bool,
}

impl Desk {
    pub(super) fn put(&self, job: Job) {
        let port = job.event.attachment.device.port_path.clone();
        self.lock().jobs.insert(port, job);
        self.changed.notify_one();
    }

    /// Whoever takes from it takes nothing more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Takes what has come; waits for that, if need be and no longer than `until`. None once it is closed.
    pub(super) fn take(&self, until: Option<Instant>) -> Option<Jobs> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() && !waiting.is_closed {
            waiting = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
        (!waiting.is_closed).then(|| std::mem::take(&mut waiting.jobs))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under this lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    fn job(seq: u64) -> Job {
        Job::new(event(seq, Action::Attach, seq), 0, Instant::now())
    }

    #[test]
    fn of_what_comes_and_goes_on_a_port_the_last_one_waits() {
        let desk = Desk::default();
        for seq in 1..=9 {
            desk.put(job(seq));
        }
        let jobs = desk.take(None).expect("open");
        let seqs: Vec<u64> = jobs.values().map(|job| job.event.seq).collect();
        assert_eq!(seqs, [9]);
        assert!(desk.take(Some(Instant::now() + Duration::from_millis(1))).expect("open").is_empty());
    }

    #[test]
    fn whoever_waits_is_woken_by_a_device_and_by_the_end() {
        let desk = Arc::new(Desk::default());
        let taking = {
            let desk = Arc::clone(&desk);
            thread::spawn(move || {
                [desk.take(None).map(|jobs| jobs.len()), desk.take(None).map(|jobs| jobs.len())]
            })
        };
        desk.put(job(1));
        while !desk.lock().jobs.is_empty() {
            thread::yield_now();
        }
        desk.close();
        assert_eq!(taking.join().expect("no panic"), [Some(1), None]);
    }
}
