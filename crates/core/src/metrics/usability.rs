//! What is counted of devices after their attach: when they may be used, and what rules for drivers have come to.

use std::time::Duration;

use super::counters::Counters;
use super::histogram::Durations;
use super::names;
use super::snapshot::{Family, labelled, single};
use crate::driver_report::{AttemptOutcome, DriverState};
use crate::hub::Hub;
use crate::ready::{Readiness, Reason};

/// Of a device in whose way nothing stands.
const READY: &str = "ready";
const OUTCOMES: usize = Reason::ALL.len() + 1;

#[derive(Debug)]
pub(super) struct Usability {
    took: Durations,
    reports: Counters<OUTCOMES>,
    attempts: Counters<{ AttemptOutcome::ALL.len() }>,
    driver_reports: Counters<{ DriverState::ALL.len() }>,
}

impl Usability {
    pub(super) fn new() -> Self {
        let outcome = |at: usize| Reason::ALL.get(at).map_or(READY, |reason| reason.as_str());
        Self {
            took: Durations::default(),
            reports: Counters::new(std::array::from_fn(outcome)),
            attempts: Counters::new(AttemptOutcome::ALL.map(AttemptOutcome::as_str)),
            driver_reports: Counters::new(DriverState::ALL.map(DriverState::as_str)),
        }
    }

    /// It has been told how far a device is. Of one that came while somebody listened it is known how long it took.
    pub(super) fn ready(&self, readiness: &Readiness, is_timed: bool) {
        for reason in Reason::ALL.into_iter().filter(|reason| readiness.has(*reason)) {
            self.reports.count(reason.as_str());
        }
        if readiness.is_ready {
            self.reports.count(READY);
            let took = Duration::try_from_secs_f64(readiness.elapsed_ms / 1e3).ok();
            if let Some(took) = took.filter(|_| is_timed) {
                self.took.add(took);
            }
        }
    }

    /// A rule has been tried at a device.
    pub(super) fn attempt(&self, outcome: AttemptOutcome) {
        self.attempts.count(outcome.as_str());
    }

    /// It has been told what a rule has come to.
    pub(super) fn driver(&self, state: DriverState) {
        self.driver_reports.count(state.as_str());
    }

    /// All of it, and which devices are not ready now.
    pub(super) fn families(&self, hub: &Hub) -> [Family; 5] {
        let waiting = hub.not_ready();
        let obstructed = Reason::ALL.map(|reason| {
            let count = waiting.iter().filter(|readiness| readiness.has(reason)).count();
            (reason.as_str(), count as u64)
        });
        [
            single(&names::READY, self.took.in_seconds()),
            labelled(&names::READY_REPORTS, "outcome", self.reports.read()),
            labelled(&names::NOT_READY, "reason", obstructed),
            labelled(&names::DRIVER_ATTEMPTS, "outcome", self.attempts.read()),
            labelled(&names::DRIVER_REPORTS, "state", self.driver_reports.read()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::delivery::Delivery;
    use crate::driver_report::DriverReport;
    use crate::event::{Action, Event, Synthetic};
    use crate::metrics::figures::Figures;
    use crate::metrics::snapshot::Value;
    use crate::notice::Notice;
    use crate::onlooker::Fact;
    use crate::outbox::StatusBoard;
    use crate::ready::Obstacle;
    use crate::test_support::event;

    struct Bed {
        hub: Hub,
        figures: Arc<Figures>,
    }

    impl Bed {
        fn new() -> Self {
            let figures = Arc::new(Figures::new());
            let delivery = Arc::new(Delivery::new(1, Box::new(|| ())));
            let hub = Hub::new(delivery, StatusBoard::default(), vec![Arc::clone(&figures) as _]);
            Self { hub, figures }
        }

        /// What is not 0 of a family: its labels' values, and the number.
        fn told(&self, metric: &'static names::Metric) -> Vec<(String, Value)> {
            let families = self.figures.usability.families(&self.hub);
            let family = families.into_iter().find(|family| family.metric == metric).expect("a family");
            let series = family.series.into_iter().filter(|series| series.value != Value::Count(0));
            series.map(|series| (series.labels[0].1.to_string(), series.value)).collect()
        }

        fn took(&self) -> (u64, f64) {
            let took = self.figures.usability.took.in_seconds();
            (took.count(), took.sum)
        }

        fn ready(&self, event: &Arc<Event>, reasons: &[Reason]) {
            let obstacle = |reason: &Reason| Obstacle { reason: *reason, detail: String::new() };
            let readiness = Readiness {
                is_ready: reasons.is_empty(),
                obstacles: reasons.iter().map(obstacle).collect(),
                timestamp: 0,
                elapsed_ms: 250.0,
                interfaces: Vec::new(),
                capabilities: Vec::new(),
                nodes: Vec::new(),
            };
            self.hub.tell(&Notice::Ready { event: Arc::clone(event), readiness: readiness.into() });
        }
    }

    fn once(words: &[&str]) -> Vec<(String, Value)> {
        words.iter().map(|word| ((*word).to_owned(), Value::Count(1))).collect()
    }

    #[test]
    fn a_device_is_not_ready_for_each_of_its_reasons_until_it_is_or_leaves() {
        let bed = Bed::new();
        let attach = event(1, Action::Attach, 1);
        bed.hub.tell(&Notice::Transition(Arc::clone(&attach)));
        assert_eq!(bed.told(&names::NOT_READY), [], "nothing is known of it yet");
        let reasons = [Reason::NoDriver, Reason::NoDriver, Reason::UdevBusy];
        bed.ready(&attach, &reasons);
        assert_eq!(bed.told(&names::READY_REPORTS), once(&["no-driver", "udev-busy"]));
        assert_eq!(bed.told(&names::NOT_READY), once(&["no-driver", "udev-busy"]));
        assert_eq!(bed.took(), (0, 0.0));
        bed.ready(&attach, &[]);
        assert_eq!(bed.told(&names::READY_REPORTS), once(&["no-driver", "udev-busy", "ready"]));
        assert_eq!((bed.told(&names::NOT_READY), bed.took()), (vec![], (1, 0.25)));
        bed.ready(&attach, &[Reason::NoPermission]);
        assert_eq!(bed.told(&names::NOT_READY), once(&["no-permission"]));
        bed.hub.tell(&Notice::Transition(event(2, Action::Detach, 1)));
        assert_eq!(bed.told(&names::NOT_READY), []);
    }

    #[test]
    fn of_a_device_that_was_only_found_it_is_not_known_how_long_it_took() {
        let bed = Bed::new();
        let found = Event { synthetic: Some(Synthetic::Startup), ..(*event(1, Action::Attach, 1)).clone() };
        bed.ready(&Arc::new(found), &[]);
        assert_eq!((bed.told(&names::READY_REPORTS), bed.took()), (once(&["ready"]), (0, 0.0)));
    }

    #[test]
    fn tries_of_rules_and_what_they_have_come_to_are_counted() {
        let bed = Bed::new();
        for outcome in [AttemptOutcome::Failed, AttemptOutcome::Refused] {
            bed.hub.note(&Fact::DriverAttempt { outcome });
        }
        let report = DriverReport {
            state: DriverState::Failed,
            signature: String::new(),
            event_id: String::new(),
            device: "1-4.2".into(),
            rule: 0,
            interfaces: Vec::new(),
            requests: Vec::new(),
            attempts: 2,
            reason: Some("no".into()),
            timestamp: 0,
        };
        bed.hub.tell(&Notice::Driver(report.into()));
        assert_eq!(bed.told(&names::DRIVER_ATTEMPTS), once(&["failed", "refused"]));
        assert_eq!(bed.told(&names::DRIVER_REPORTS), once(&["failed"]));
    }
}
