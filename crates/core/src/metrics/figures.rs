//! What is counted while the daemon works: an onlooker that adds ones. It waits for nobody and allocates nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::groups::Groups;
use super::histogram::Durations;
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

/// Counters, one for each of a fixed number of words.
#[derive(Debug)]
pub(super) struct Counters<const N: usize> {
    words: [&'static str; N],
    counts: [AtomicU64; N],
}

impl<const N: usize> Counters<N> {
    fn new(words: [&'static str; N]) -> Self {
        Self { words, counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    fn slot(&self, word: &str) -> Option<&AtomicU64> {
        let at = self.words.iter().position(|known| *known == word)?;
        self.counts.get(at)
    }

    fn count(&self, word: &str) {
        if let Some(slot) = self.slot(word) {
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn set(&self, word: &str, value: u64) {
        if let Some(slot) = self.slot(word) {
            slot.store(value, Ordering::Relaxed);
        }
    }

    /// Each word with its number.
    pub(super) fn read(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.words.into_iter().zip(self.counts.iter().map(read))
    }
}

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
    pub(super) groups: Groups,
    paced: AtomicU64,
    redis_errors: AtomicU64,
    redis_reconnects: AtomicU64,
    redis_was_connected: AtomicBool,
    redis_is_connected: AtomicBool,
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
            groups: Groups::default(),
            paced: AtomicU64::new(0),
            redis_errors: AtomicU64::new(0),
            redis_reconnects: AtomicU64::new(0),
            redis_was_connected: AtomicBool::new(false),
            redis_is_connected: AtomicBool::new(false),
        }
    }

    pub(super) fn paced(&self) -> u64 {
        read(&self.paced)
    }

    pub(super) fn redis_errors(&self) -> u64 {
        read(&self.redis_errors)
    }

    pub(super) fn redis_reconnects(&self) -> u64 {
        read(&self.redis_reconnects)
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

    /// Whoever was to witness it has, as a rule, by the time it is stored: the kernel's uevents are looked at before libusb's.
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

    fn redis(&self, connected: bool) {
        if !connected {
            // What was learned of them gets old, and nothing new is.
            self.groups.set(&[]);
        }
        let was_connected = self.redis_is_connected.swap(connected, Ordering::Relaxed);
        if connected && !was_connected && self.redis_was_connected.swap(true, Ordering::Relaxed) {
            self.redis_reconnects.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Onlooker for Figures {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Transition(event) | Notice::Stayed(event) => self.told(event),
            Notice::Published { event, is_again: false, .. } => self.published(event),
            Notice::Gap(gap) => self.gaps.count(gap.cause.as_str()),
            Notice::Redis(status) => self.redis(status.connected),
            Notice::Started
            | Notice::Stopped
            | Notice::Ready { .. }
            | Notice::Injected { .. }
            | Notice::Source(_)
            | Notice::Driver(_)
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
            Fact::Paced => {
                self.paced.fetch_add(1, Ordering::Relaxed);
            }
            Fact::RedisFailed => {
                self.redis_errors.fetch_add(1, Ordering::Relaxed);
            }
            Fact::Groups(groups) => self.groups.set(groups),
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

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::journey::Journey;
    use crate::notice::RedisStatus;
    use crate::onlooker::GroupLag;
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
        assert_eq!((figures.redis_errors(), figures.paced()), (1, 2));
    }

    #[test]
    fn of_an_event_of_an_earlier_run_no_duration_is_counted() {
        let figures = Figures::new();
        tell_all(&figures, &event(1, Action::Attach, 1), false);
        assert_eq!(figures.publishing.in_ms().count(), 0);
    }

    #[test]
    fn a_connection_that_comes_back_is_a_reconnect_and_the_first_one_is_none() {
        let figures = Figures::new();
        let tell = |connected| {
            let address = String::new();
            let status = RedisStatus { connected, address, delivery: None, reason: None, waiting: 0 };
            figures.notice(&Notice::Redis(status));
        };
        for connected in [false, true, true] {
            tell(connected);
        }
        let group = GroupLag { name: "plugin-loader".into(), unread: Some(2), pending: 1 };
        figures.fact(&Fact::Groups(&[group]));
        assert_eq!((figures.redis_reconnects(), figures.groups.read().len()), (0, 2));
        tell(false);
        assert_eq!(
            figures.groups.read().len(),
            1,
            "how far a group is behind nobody knows while redis is away"
        );
        for connected in [false, true] {
            tell(connected);
        }
        assert_eq!(figures.redis_reconnects(), 1);
    }
}
