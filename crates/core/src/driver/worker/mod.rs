//! What the thread for drivers does: it sees to one device after the other, again where a rule has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::desk::{Desk, Job, Jobs};
use super::kernel::Kernel;
use super::outcome::Outcome;
use super::performer::Performer;
use super::plan::Facts;
use crate::clock;
use crate::config::DriversConfig;
use crate::device::Device;
use crate::driver_report::{BoundInterface, DriverReport, DriverState};
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::Fact;
use crate::sysfs::Sysfs;

/// Before the second try; twice that before the third.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// A device has no interfaces before the kernel has found a configuration for it, which may take a while.
const MOST_LOOKS: u32 = 10;
const WITHOUT_INTERFACES: &str =
    "it has no interfaces: is it authorized, and is there a configuration that the kernel can set?";

pub(super) struct Worker {
    config: Arc<DriversConfig>,
    kernel: Kernel,
    sysfs: Sysfs,
    performer: Performer,
    hub: Hub,
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
    jobs: Jobs,
}

impl Worker {
    pub(super) fn new(config: Arc<DriversConfig>, hub: Hub, desk: Arc<Desk>, stop: Arc<AtomicBool>) -> Self {
        let (kernel, sysfs) = (Kernel::new(), Sysfs::new("/sys"));
        let performer = Performer::new(&config);
        Self { config, kernel, sysfs, performer, hub, desk, stop, jobs: Jobs::new() }
    }

    /// Until the desk is closed.
    pub(super) fn run(&mut self) {
        while let Some(come) = self.desk.take(self.jobs.values().map(|job| job.due).min()) {
            self.jobs.extend(come);
            let now = Instant::now();
            let mut due: Vec<Job> =
                self.jobs.extract_if(|_, job| job.due <= now).map(|(_, job)| job).collect();
            due.sort_by_key(|job| job.due);
            for job in due {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                self.see_to(job);
            }
        }
    }

    /// Once more, later.
    fn put_off(&mut self, mut job: Job, pause: Duration) {
        job.due = Instant::now() + pause;
        self.jobs.insert(job.event.attachment.device.port_path.clone(), job);
    }

    fn see_to(&mut self, mut job: Job) {
        let Some(rule) = self.config.rules.get(job.rule) else { return };
        let Some(before) = facts_of(&self.kernel, &self.sysfs, &job.event.attachment.device) else { return };
        let name = before.name.clone();
        if before.interfaces.is_empty() && rule.authorized.is_none() {
            if job.looks < MOST_LOOKS {
                job.looks += 1;
                return self.put_off(job, PAUSE);
            }
            let (requests, reason) = job.failed.take().unwrap_or((Vec::new(), WITHOUT_INTERFACES.to_owned()));
            return self.give_up(&job, &name, requests, reason);
        }
        if job.attempts == 0 {
            job.unbound = before.unbound().map(|interface| interface.name.clone()).collect();
        }
        job.attempts += 1;
        let attempt = Attempt {
            kernel: &self.kernel,
            performer: &self.performer,
            dry_run: self.config.dry_run,
            stop: &self.stop,
        };
        let outcome = attempt.make(rule, &before);
        if let Some(outcome) = outcome.of_a_try() {
            self.hub.note(&Fact::DriverAttempt { outcome });
        }
        match outcome {
            Outcome::Nothing => {
                if let Some(report) = come_since(&job, &self.kernel, &before) {
                    self.tell(report);
                }
            }
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
                if is_final || job.attempts >= rule.attempts {
                    return self.give_up(&job, &name, requests, reason);
                }
                log_failure(&job, &name, false, &reason);
                let pause = PAUSE * (1 << (job.attempts - 1));
                job.failed = Some((requests, reason));
                self.put_off(job, pause);
            }
        }
    }

    fn give_up(&self, job: &Job, name: &str, requests: Vec<String>, reason: String) {
        log_failure(job, name, true, &reason);
        let report = report(job, name, DriverState::Failed, requests);
        self.tell(DriverReport { reason: Some(reason), ..report });
    }

    /// Whoever has stopped hears nothing more, also where a driver has kept this thread beyond the stop.
    fn tell(&self, report: DriverReport) {
        if !self.stop.load(Ordering::Relaxed) {
            self.hub.tell(&Notice::Driver(Arc::new(report)));
        }
    }
}

fn log_failure(job: &Job, device: &str, is_last: bool, reason: &str) {
    tracing::warn!(
        event_id = job.event.event_id(),
        device,
        rule = job.rule,
        attempts = job.attempts,
        is_last,
        reason,
        "driver rule failed"
    );
}

/// What the kernel has of this very device. Which one it is about is asked once it has been read: another one may take the place meanwhile.
fn facts_of(kernel: &Kernel, sysfs: &Sysfs, device: &Device) -> Option<Facts> {
    let facts = kernel.facts(&device.port_path.name())?;
    let is_same = device.inode.is_none_or(|own| own == facts.inode)
        && sysfs.address(&facts.name) == Some(device.address);
    is_same.then_some(facts)
}

/// What is to be told where a try has failed, and nothing was left to do for the next one: a driver has come by other ways, or of itself after all.
fn come_since(job: &Job, kernel: &Kernel, before: &Facts) -> Option<DriverReport> {
    let (requests, reason) = job.failed.clone().filter(|_| kernel.has(before))?;
    let found = job.unbound.iter().filter_map(|name| Some((name.clone(), kernel.driver_of(name)?)));
    let interfaces: Vec<_> =
        found.map(|(name, driver)| BoundInterface { name, driver, heard: false }).collect();
    let report = report(job, &before.name, DriverState::Bound, requests);
    let attempts = job.attempts - 1;
    (!interfaces.is_empty()).then_some(DriverReport { interfaces, attempts, reason: Some(reason), ..report })
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

#[cfg(test)]
mod tests;
