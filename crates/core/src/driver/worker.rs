//! What the thread for drivers does: it sees to one device after the other, again where a rule has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::kernel::Kernel;
use super::outcome::Outcome;
use super::performer::Performer;
use crate::clock;
use crate::config::DriversConfig;
use crate::driver_report::{DriverReport, DriverState};
use crate::event::Event;
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::Fact;
use crate::sysfs::Sysfs;

/// Before the second try; twice that before the third.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// A device has no interfaces before the kernel has found a configuration for it, which may take a while.
const MOST_LOOKS: u32 = 10;
const FOREVER: Duration = Duration::from_secs(3600);

/// What the thread is told.
pub(super) enum Told {
    Job(Job),
    Stop,
}

/// A device that a rule is about.
pub(super) struct Job {
    event: Arc<Event>,
    pub(super) rule: usize,
    attempts: u32,
    /// How often it was looked at before it had interfaces.
    looks: u32,
    due: Instant,
}

impl Job {
    pub(super) fn new(event: Arc<Event>, rule: usize, due: Instant) -> Self {
        Self { event, rule, attempts: 0, looks: 0, due }
    }
}

pub(super) struct Worker {
    config: Arc<DriversConfig>,
    performer: Performer,
    hub: Hub,
    stop: Arc<AtomicBool>,
    jobs: Vec<Job>,
}

impl Worker {
    pub(super) fn new(config: Arc<DriversConfig>, hub: Hub, stop: Arc<AtomicBool>) -> Self {
        Self { performer: Performer::new(&config), config, hub, stop, jobs: Vec::new() }
    }

    /// Until it is told to stop.
    pub(super) fn run(&mut self, receiver: &Receiver<Told>) {
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.jobs.iter().map(|job| job.due).min();
            let wait = next.map_or(FOREVER, |due| due.saturating_duration_since(Instant::now()));
            match receiver.recv_timeout(wait) {
                Ok(Told::Job(job)) => self.jobs.push(job),
                Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    while let Some(at) = self.jobs.iter().position(|job| job.due <= now) {
                        let job = self.jobs.remove(at);
                        self.see_to(job);
                    }
                }
            }
        }
    }

    fn see_to(&mut self, mut job: Job) {
        let Some(rule) = self.config.rules.get(job.rule) else { return };
        let device = &job.event.attachment.device;
        let (kernel, name) = (Kernel::new(), device.port_path.name());
        let sysfs = Sysfs::new("/sys");
        // Another device may have its place by now.
        let is_same = sysfs.address(&name) == Some(device.address)
            && device.inode.is_none_or(|inode| sysfs.inode(&name) == Some(inode));
        let Some(before) = kernel.facts(&name).filter(|_| is_same) else { return };
        if before.interfaces.is_empty() && rule.authorized.is_none() {
            if job.looks < MOST_LOOKS {
                job.looks += 1;
                job.due = Instant::now() + PAUSE;
                self.jobs.push(job);
            }
            return;
        }
        job.attempts += 1;
        let attempt = Attempt {
            kernel: &kernel,
            performer: &self.performer,
            dry_run: self.config.dry_run,
            stop: &self.stop,
        };
        let outcome = attempt.make(rule, &before);
        if let Some(outcome) = outcome.of_a_try() {
            self.hub.note(&Fact::DriverAttempt { outcome });
        }
        match outcome {
            Outcome::Nothing => {}
            Outcome::Done { state, interfaces, requests, reason } => {
                let attempts = if state == DriverState::Planned { 0 } else { job.attempts };
                let report =
                    DriverReport { interfaces, attempts, reason, ..report(&job, &name, state, requests) };
                let drivers: Vec<&str> = report.interfaces.iter().map(|each| &*each.driver).collect();
                let (state, drivers) = (state.as_str(), drivers.join(","));
                tracing::info!(
                    event_id = job.event.event_id(),
                    device = name,
                    rule = job.rule,
                    state,
                    drivers,
                    attempts,
                    reason = report.reason,
                    "driver rule carried out"
                );
                self.tell(report);
            }
            Outcome::Failed { reason, is_final, requests } => {
                let is_last = is_final || job.attempts >= rule.attempts;
                tracing::warn!(
                    event_id = job.event.event_id(),
                    device = name,
                    rule = job.rule,
                    attempts = job.attempts,
                    is_last,
                    reason,
                    "driver rule failed"
                );
                if is_last {
                    let report = report(&job, &name, DriverState::Failed, requests);
                    self.tell(DriverReport { reason: Some(reason), ..report });
                } else {
                    job.due = Instant::now() + PAUSE * (1 << (job.attempts - 1));
                    self.jobs.push(job);
                }
            }
        }
    }

    /// Whoever has stopped hears nothing more, also where a driver has kept this thread beyond the stop.
    fn tell(&self, report: DriverReport) {
        if !self.stop.load(Ordering::Relaxed) {
            self.hub.tell(&Notice::Driver(Arc::new(report)));
        }
    }
}

fn report(job: &Job, name: &str, state: DriverState, requests: Vec<String>) -> DriverReport {
    DriverReport {
        state,
        signature: job.event.attachment.signature.clone(),
        event_id: job.event.event_id(),
        device: name.to_owned(),
        rule: job.rule,
        interfaces: Vec::new(),
        requests,
        attempts: job.attempts,
        reason: None,
        timestamp: clock::now_ms(),
    }
}
