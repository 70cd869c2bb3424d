//! What is counted while the daemon works: an onlooker that adds ones. It waits for nobody and allocates nothing.

use super::counters::Counters;
use super::histogram::Durations;
use super::redis::RedisFigures;
use super::usability::Usability;
use crate::clock;
use crate::event::{Action, Event, Synthetic};
use crate::journey::{Step, WITNESSES};
use crate::notice::{GapCause, Notice};
use crate::onlooker::{Fact, Onlooker};
use crate::platform::bus;
use crate::source::name;
use crate::withheld::WithheldReason;

/// Whoever has a state and reports something.
pub(super) const SOURCES: [&str; 7] = [
    name::NETLINK,
    name::LIBUSB,
    name::SNAPSHOT,
    bus::HINTS,
    name::SIMULATED,
    name::INJECTED,
    name::UDEV_HELPER,
];
pub(super) const ACTIONS: [Action; 2] = [Action::Attach, Action::Detach];
const SYNTHETIC: [Synthetic; 4] =
    [Synthetic::Startup, Synthetic::Gap, Synthetic::MissedWhileDown, Synthetic::Reboot];
/// Gaps that everybody is told of. A subscriber's own are its delivery's to count.
const GAPS: [GapCause; 4] =
    [GapCause::Overflow, GapCause::Unheard, GapCause::SocketLost, GapCause::OutboxFull];

/// The counters.
#[derive(Debug)]
pub(super) struct Figures {
    /// By action, then by what established the event.
    pub(super) events: [Counters<{ WITNESSES.len() }>; ACTIONS.len()],
    pub(super) synthetic: Counters<{ SYNTHETIC.len() }>,
    pub(super) withheld: Counters<{ WithheldReason::ALL.len() }>,
    pub(super) gaps: Counters<{ GAPS.len() }>,
    pub(super) reports: Counters<{ SOURCES.len() }>,
    pub(super) overflows: Counters<{ SOURCES.len() }>,
    /// In ms since 1970.
    pub(super) last_report: Counters<{ SOURCES.len() }>,
    pub(super) first: Counters<{ WITNESSES.len() }>,
    pub(super) processing: Durations,
    pub(super) publishing: Durations,
    pub(super) stages: [Durations; Step::ALL.len()],
    pub(super) usability: Usability,
    pub(super) redis: RedisFigures,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self {
            events: ACTIONS.map(|_| Counters::new(WITNESSES)),
            synthetic: Counters::new(SYNTHETIC.map(Synthetic::as_str)),
            withheld: Counters::new(WithheldReason::ALL.map(WithheldReason::as_str)),
            gaps: Counters::new(GAPS.map(GapCause::as_str)),
            reports: Counters::new(SOURCES),
            overflows: Counters::new(SOURCES),
            last_report: Counters::new(SOURCES),
            first: Counters::new(WITNESSES),
            processing: Durations::default(),
            publishing: Durations::default(),
            stages: Step::ALL.map(|_| Durations::default()),
            usability: Usability::new(),
            redis: RedisFigures::default(),
        }
    }

    fn told(&self, event: &Event) {
        self.events[event.action as usize].count(event.backend.as_str());
        if let Some(cause) = event.synthetic {
            self.synthetic.count(cause.as_str());
        }
        if is_timed(event) {
            if let Some(duration) = event.journey.at(Step::Announce) {
                self.processing.add(duration);
            }
            self.took(event, Step::Describe);
            self.took(event, Step::Announce);
        }
    }

    /// Whoever has made the engine look has witnessed it by now. On Linux libusb's word lies for 2 ms: where uevents are heard it is not waited for.
    fn stored(&self, event: &Event) {
        if let Some(source) = event.journey.first_witness() {
            self.first.count(source);
        }
        if is_timed(event) {
            self.took(event, Step::Store);
        }
    }

    fn published(&self, event: &Event) {
        if let Some(duration) = event.journey.at(Step::Publish).filter(|_| is_timed(event)) {
            self.publishing.add(duration);
            self.took(event, Step::Publish);
        }
    }

    /// Counts how long a step has taken. Of what an earlier run has observed nothing is known.
    fn took(&self, event: &Event, step: Step) {
        if let Some(took) = event.journey.took(step) {
            self.stages[step as usize].add(took);
        }
    }
}

impl Onlooker for Figures {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Transition(event) | Notice::Stayed(event) => self.told(event),
            Notice::Published { event, is_again: false, .. } => self.published(event),
            Notice::Gap(gap) => self.gaps.count(gap.cause.as_str()),
            Notice::Redis(status) => self.redis.told(status.connected),
            Notice::Ready { event, readiness } => self.usability.ready(readiness, is_timed(event)),
            Notice::Driver(report) => self.usability.driver(report.state),
            Notice::Started
            | Notice::Stopped
            | Notice::Injected { .. }
            | Notice::Source(_)
            | Notice::Published { .. }
            | Notice::Error { .. } => {}
        }
    }

    fn fact(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Stored { events, is_again: false, .. } => {
                for event in *events {
                    self.stored(event);
                }
            }
            Fact::Reported { source } => {
                self.reports.count(source);
                self.last_report.set(source, clock::now_ms());
            }
            Fact::Overflowed { source } => self.overflows.count(source),
            Fact::Withheld(withheld) => self.withheld.count(withheld.reason.as_str()),
            Fact::DriverAttempt { outcome } => self.usability.attempt(*outcome),
            Fact::Paced => self.redis.count_paced(),
            Fact::RedisFailed => self.redis.count_error(),
            Fact::Groups(groups) => self.redis.groups.set(groups),
            // Who saw an event first is counted once it is stored.
            Fact::Witnessed { .. } | Fact::Stored { .. } => {}
        }
    }
}

/// Of those that reconciliation makes, all of one look have one moment of observation: the last of many has waited for the
/// others, which tells nothing of how fast the daemon is.
fn is_timed(event: &Event) -> bool {
    event.synthetic.is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::journey::Journey;
    use crate::test_support::event;

    fn counts<const N: usize>(counters: &Counters<N>) -> Vec<(&'static str, u64)> {
        counters.read().filter(|(_, count)| *count > 0).collect()
    }

    /// A detach that took its way: told after 3 ms, stored after 5, published after 12.
    fn passing(synthetic: Option<Synthetic>) -> Arc<Event> {
        let start = Instant::now();
        let journey = Journey::observed_at(start);
        journey.witness(name::NETLINK, start + Duration::from_millis(1));
        for (step, ms) in [(Step::Announce, 3), (Step::Store, 5), (Step::Publish, 12)] {
            journey.note(step, start + Duration::from_millis(ms));
        }
        Arc::new(Event { synthetic, journey, ..(*event(1, Action::Detach, 1)).clone() })
    }

    fn tell_all(figures: &Figures, event: &Arc<Event>, is_again: bool) {
        let events = std::slice::from_ref(event);
        figures.fact(&Fact::Stored { events, is_end: false, is_again });
        let (event, stream_id) = (Arc::clone(event), "1-0".into());
        figures.notice(&Notice::Published { event, stream_id, is_again });
    }

    fn durations(figures: &Figures) -> ([f64; 2], [f64; 4]) {
        let sum = |durations: &Durations| durations.in_ms().sum;
        ([&figures.processing, &figures.publishing].map(sum), figures.stages.each_ref().map(sum))
    }

    #[test]
    fn an_event_is_counted_by_what_established_it_and_each_step_once_it_is_done() {
        let figures = Figures::new();
        let event = passing(None);
        figures.notice(&Notice::Transition(Arc::clone(&event)));
        assert_eq!(counts(&figures.events[Action::Detach as usize]), [("netlink", 1)]);
        assert_eq!(counts(&figures.events[Action::Attach as usize]), []);
        assert_eq!(counts(&figures.synthetic), []);
        assert_eq!(durations(&figures), ([3.0, 0.0], [0.0, 3.0, 0.0, 0.0]));
        tell_all(&figures, &event, false);
        assert_eq!(durations(&figures), ([3.0, 12.0], [0.0, 3.0, 2.0, 7.0]));
    }

    #[test]
    fn who_saw_it_first_is_known_when_it_is_stored() {
        let figures = Figures::new();
        let event = passing(None);
        figures.notice(&Notice::Transition(Arc::clone(&event)));
        // The engine has looked at the uevent before libusb's message, which is older.
        event.journey.witness(name::LIBUSB, event.journey.observed().expect("observed"));
        tell_all(&figures, &event, false);
        assert_eq!(counts(&figures.first), [("libusb", 1)]);
    }

    #[test]
    fn what_reconciliation_makes_is_counted_and_not_timed() {
        let figures = Figures::new();
        let event = passing(Some(Synthetic::Startup));
        figures.notice(&Notice::Transition(Arc::clone(&event)));
        tell_all(&figures, &event, false);
        assert_eq!(counts(&figures.synthetic), [("startup", 1)]);
        assert_eq!(durations(&figures), ([0.0; 2], [0.0; 4]));
    }

    #[test]
    fn what_is_done_again_is_not_counted_again() {
        let figures = Figures::new();
        tell_all(&figures, &passing(None), true);
        assert_eq!((durations(&figures), counts(&figures.first)), (([0.0; 2], [0.0; 4]), vec![]));
    }

    #[test]
    fn what_only_onlookers_are_told_is_counted_by_its_source() {
        let figures = Figures::new();
        for fact in [
            Fact::Reported { source: name::INOTIFY },
            Fact::Reported { source: name::NETLINK },
            Fact::Reported { source: "nobody's" },
            Fact::Overflowed { source: name::NETLINK },
            Fact::RedisFailed,
            Fact::Paced,
            Fact::Paced,
        ] {
            figures.fact(&fact);
        }
        assert_eq!(counts(&figures.reports), [("netlink", 1), ("inotify", 1)]);
        let reported: Vec<&str> =
            counts(&figures.last_report).into_iter().map(|(source, _)| source).collect();
        assert_eq!(reported, ["netlink", "inotify"]);
        assert_eq!(counts(&figures.overflows), [("netlink", 1)]);
        assert_eq!((figures.redis.errors(), figures.redis.paced()), (1, 2));
    }

    #[test]
    fn of_an_event_of_an_earlier_run_no_duration_is_counted() {
        let figures = Figures::new();
        tell_all(&figures, &event(1, Action::Attach, 1), false);
        assert_eq!(figures.publishing.in_ms().count(), 0);
    }
}
