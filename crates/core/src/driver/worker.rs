//! The thread that sees to devices without a driver. It is there only where there are rules.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attempt::{Attempt, Outcome};
use super::kernel::Kernel;
use super::performer::Performer;
use crate::clock;
use crate::config::DriversConfig;
use crate::driver_report::{DriverReport, DriverState};
use crate::error::{Code, Error};
use crate::event::{Action, Backend, Event};
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::{Fact, Onlooker};
use crate::sysfs::Sysfs;
use crate::threads;

/// The kernel binds what it has a driver for, and udev loads what it has a module for, without us: so long they get.
const OTHERS_FIRST: Duration = Duration::from_secs(1);
/// Before the second try; twice that before the third.
const PAUSE: Duration = Duration::from_millis(500);
/// A device has no interfaces before the kernel has found a configuration for it, which may take a while.
const MOST_LOOKS: u32 = 10;
const FOREVER: Duration = Duration::from_secs(3600);

/// A device that a rule is about.
struct Job {
    event: Arc<Event>,
    rule: usize,
    attempts: u32,
    /// How often it was looked at before it had interfaces.
    looks: u32,
    due: Instant,
}

enum Told {
    Job(Job),
    Stop,
}

/// Rules, before their thread runs.
pub(crate) struct Drivers {
    config: Arc<DriversConfig>,
    sender: Sender<Told>,
    receiver: Receiver<Told>,
}

/// Hears which devices come.
struct Eye {
    config: Arc<DriversConfig>,
    sender: Sender<Told>,
}

/// Their thread.
pub(crate) struct RunningDrivers {
    stop: Arc<AtomicBool>,
    sender: Sender<Told>,
    ended: Receiver<Infallible>,
    thread: JoinHandle<()>,
}

impl Drivers {
    /// None where there are no rules.
    pub(crate) fn new(config: &DriversConfig) -> Option<Self> {
        let (sender, receiver) = channel();
        let config = Arc::new(config.clone());
        (!config.rules.is_empty()).then_some(Self { config, sender, receiver })
    }

    /// Who has to be told of devices.
    pub(crate) fn onlooker(&self) -> Arc<dyn Onlooker> {
        Arc::new(Eye { config: Arc::clone(&self.config), sender: self.sender.clone() })
    }

    /// Starts the thread, which tells `hub`.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where no thread can be had.
    pub(crate) fn start(self, hub: Hub) -> Result<RunningDrivers, Error> {
        let Self { config, sender, receiver } = self;
        let stop = Arc::new(AtomicBool::new(false));
        let (ending, ended) = channel();
        let mut worker = Worker {
            performer: Performer::new(&config),
            config,
            hub,
            stop: Arc::clone(&stop),
            jobs: Vec::new(),
        };
        let work = move || {
            worker.run(&receiver);
            drop(ending);
        };
        let thread = threads::spawn("aw-drivers", work)
            .map_err(|error| Error::new(Code::System, format!("no thread for drivers: {error}")))?;
        Ok(RunningDrivers { stop, sender, ended, thread })
    }
}

impl RunningDrivers {
    /// Has it begin nothing more, and tell nothing. Waits for nothing.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // It may have ended already.
        let _ = self.sender.send(Told::Stop);
    }

    /// Ends it. Where a driver keeps whoever asks for it, the thread ends by itself once that lets go.
    pub(crate) fn stop(self, patience: Duration) {
        self.ask_to_stop();
        if self.ended.recv_timeout(patience.max(PAUSE)) == Err(RecvTimeoutError::Disconnected) {
            // A panic has been told by then, and takes nothing along.
            let _ = self.thread.join();
        }
    }
}

impl Onlooker for Eye {
    fn notice(&self, notice: &Notice) {
        let (Notice::Transition(event) | Notice::Stayed(event)) = notice else { return };
        // What a program has reported may have the name of a real device.
        let is_real = !matches!(event.backend, Backend::Injected | Backend::Simulated);
        let device = &event.attachment.device;
        if event.action != Action::Attach || !is_real {
            return;
        }
        let Some(rule) = self.config.rule_for(device) else { return };
        let waits = self.config.rules[rule].authorized.is_none();
        let due = Instant::now() + if waits { OTHERS_FIRST } else { Duration::ZERO };
        // Nobody is left to do it where the thread has ended.
        let _ =
            self.sender.send(Told::Job(Job { event: Arc::clone(event), rule, attempts: 0, looks: 0, due }));
    }

    fn fact(&self, _: &Fact<'_>) {}
}

struct Worker {
    config: Arc<DriversConfig>,
    performer: Performer,
    hub: Hub,
    stop: Arc<AtomicBool>,
    jobs: Vec<Job>,
}

impl Worker {
    fn run(&mut self, receiver: &Receiver<Told>) {
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
        match attempt.make(rule, &before) {
            Outcome::Nothing => {}
            Outcome::Done { state, interfaces, requests, reason } => {
                let attempts = if state == DriverState::Planned { 0 } else { job.attempts };
                let report =
                    DriverReport { interfaces, attempts, reason, ..report(&job, &name, state, requests) };
                let drivers: Vec<&str> = report.interfaces.iter().map(|each| &*each.driver).collect();
                let (state, drivers) = (state.as_str(), drivers.join(","));
                tracing::info!(
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::device::{Device, PortPath};
    use crate::event::Attachment;
    use crate::test_support::event;

    /// The rule that is carried out for an event, if one is.
    fn rule_for(event: Event) -> Option<usize> {
        let rules = json!([
            { "match": { "vendor_id": "1209" } },
            { "match": { "vendor_id": "046d" } },
            { "match": { "product_id": 0x77 }, "authorized": false },
        ]);
        let config = serde_json::from_value(json!({ "rules": rules })).expect("rules");
        let drivers = Drivers::new(&config).expect("there are rules");
        drivers.onlooker().notice(&Notice::Transition(Arc::new(event)));
        match drivers.receiver.try_recv() {
            Ok(Told::Job(job)) => Some(job.rule),
            _ => None,
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides_for_a_real_device_that_comes() {
        let came = (*event(1, Action::Attach, 1)).clone();
        assert_eq!(rule_for(came.clone()), Some(1));
        assert_eq!(rule_for((*event(2, Action::Detach, 1)).clone()), None);
        for backend in [Backend::Injected, Backend::Simulated] {
            assert_eq!(rule_for(Event { backend, ..came.clone() }), None);
        }
        let device = Device { port_path: PortPath::new(1, Vec::new()), ..came.attachment.device.clone() };
        let attachment = Arc::new(Attachment { device, ..(*came.attachment).clone() });
        assert_eq!(rule_for(Event { attachment, ..came }), None, "a root hub");
    }

    #[test]
    fn without_rules_nobody_is_there() {
        assert!(Drivers::new(&DriversConfig::default()).is_none());
    }
}
