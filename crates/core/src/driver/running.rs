//! Rules for drivers and their thread, from the first device that one of them is about to the stop. It is there only where there are rules.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::desk::{Desk, Job};
use super::worker::{PAUSE, Worker};
use crate::config::DriversConfig;
use crate::error::{Code, Error};
use crate::event::{Action, Backend};
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::{Fact, Onlooker};
use crate::threads;

/// The kernel binds what it has a driver for, and udev loads what it has a module for, without us: so long they get.
const OTHERS_FIRST: Duration = Duration::from_secs(1);

/// Rules, before their thread runs.
pub(crate) struct Drivers {
    config: Arc<DriversConfig>,
    desk: Arc<Desk>,
}

/// Hears which devices come.
struct Eye {
    config: Arc<DriversConfig>,
    desk: Arc<Desk>,
}

/// Their thread.
pub(crate) struct RunningDrivers {
    stop: Arc<AtomicBool>,
    desk: Arc<Desk>,
    ended: Receiver<Infallible>,
    thread: JoinHandle<()>,
}

impl Drivers {
    /// None where there are no rules.
    pub(crate) fn new(config: &DriversConfig) -> Option<Self> {
        let config = Arc::new(config.clone());
        (!config.rules.is_empty()).then(|| Self { config, desk: Arc::default() })
    }

    /// Who has to be told of devices.
    pub(crate) fn onlooker(&self) -> Arc<dyn Onlooker> {
        Arc::new(Eye { config: Arc::clone(&self.config), desk: Arc::clone(&self.desk) })
    }

    /// Starts the thread, which tells `hub`.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where no thread can be had.
    pub(crate) fn start(self, hub: Hub) -> Result<RunningDrivers, Error> {
        let Self { config, desk } = self;
        let stop = Arc::new(AtomicBool::new(false));
        let (ending, ended) = channel();
        let mut worker = Worker::new(config, hub, Arc::clone(&desk), Arc::clone(&stop));
        let work = move || {
            worker.run();
            drop(ending);
        };
        let thread = threads::spawn("aw-drivers", work)
            .map_err(|error| Error::new(Code::System, format!("no thread for drivers: {error}")))?;
        Ok(RunningDrivers { stop, desk, ended, thread })
    }
}

impl RunningDrivers {
    /// Has it begin nothing more, and tell nothing. Waits for nothing.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.desk.close();
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
        self.desk.put(Job::new(Arc::clone(event), rule, due));
    }

    fn fact(&self, _: &Fact<'_>) {}
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::device::{Device, PortPath};
    use crate::event::{Attachment, Event};
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
        let jobs = drivers.desk.take(Some(Instant::now())).expect("open");
        jobs.values().map(|job| job.rule).next()
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
