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
use crate::driver_report::{BoundInterface, DriverReport, DriverState};
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::Fact;
use crate::sysfs::Sysfs;

/// Before the second try; twice that before the third.
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// A device has no interfaces before the kernel has found a configuration for it, which may take a while.
const MOST_LOOKS: u32 = 10;

pub(super) struct Worker {
    config: Arc<DriversConfig>,
    performer: Performer,
    hub: Hub,
    desk: Arc<Desk>,
    stop: Arc<AtomicBool>,
    jobs: Jobs,
}

impl Worker {
    pub(super) fn new(config: Arc<DriversConfig>, hub: Hub, desk: Arc<Desk>, stop: Arc<AtomicBool>) -> Self {
        Self { performer: Performer::new(&config), config, hub, desk, stop, jobs: Jobs::new() }
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
                self.put_off(job, PAUSE);
            }
            return;
        }
        if job.attempts == 0 {
            job.unbound = before.unbound().map(|interface| interface.name.clone()).collect();
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
            Outcome::Nothing => {
                if let Some(report) = come_since(&job, &kernel, &before) {
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
                    let pause = PAUSE * (1 << (job.attempts - 1));
                    job.failed = Some((requests, reason));
                    self.put_off(job, pause);
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
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    #[test]
    fn a_driver_that_comes_of_itself_after_a_try_that_failed_is_told_of() {
        let root = std::env::temp_dir().join(format!("usb-daemon-worker-{}", std::process::id()));
        let devices = root.join("bus/usb/devices");
        for folder in ["1-1/1-1:1.0", "1-1:1.0"] {
            fs::create_dir_all(devices.join(folder)).expect("a folder");
        }
        for (file, text) in [("idVendor", "1209"), ("idProduct", "dead"), ("authorized", "1")] {
            fs::write(devices.join("1-1").join(file), text).expect("written");
        }
        let kernel = Kernel::at(&root);
        let before = kernel.facts("1-1").expect("there");
        let mut job = Job::new(event(1, Action::Attach, 1), 0, Instant::now());
        (job.attempts, job.unbound) = (2, vec!["1-1:1.0".into()]);
        let untried = come_since(&job, &kernel, &before);
        job.failed = Some((vec!["module x".into()], "no driver has taken it".into()));
        let without = come_since(&job, &kernel, &before);
        symlink("../../drivers/x", devices.join("1-1:1.0/driver")).expect("a link");
        let found = come_since(&job, &kernel, &before).expect("a report");
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!((untried, without), (None, None));
        assert_eq!((found.state, found.attempts, found.requests.len()), (DriverState::Bound, 1, 1));
        assert_eq!(
            found.interfaces,
            [BoundInterface { name: "1-1:1.0".into(), driver: "x".into(), heard: false }]
        );
        assert_eq!(found.reason.as_deref(), Some("no driver has taken it"));
        assert_eq!(come_since(&job, &kernel, &before), None, "it has gone");
    }
}
