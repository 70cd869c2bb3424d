//! An event's journey: when each step of its way was done, and which source saw what it tells of when.
//!
//! Known to the process that has observed it: an event that is read back from the outbox's file has none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::source::name;

/// What is done to an event, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its device has been described; a device that leaves needs none of that.
    Describe,
    /// It has its number, and is told to subscribers.
    Announce,
    /// The outbox has it.
    Store,
    /// Redis has acknowledged it.
    Publish,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Describe, Self::Announce, Self::Store, Self::Publish];

    /// Its name in metrics, traces and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Announce => "announce",
            Self::Store => "store",
            Self::Publish => "publish",
        }
    }
}

/// Who may see a transition.
pub const WITNESSES: [&str; 6] =
    [name::NETLINK, name::LIBUSB, name::SNAPSHOT, name::SIMULATED, name::INJECTED, name::UDEV_HELPER];

const UNKNOWN: i64 = i64::MIN;

/// When what happened, in microseconds from the observation. It grows while its event goes on, on any thread.
#[derive(Debug)]
pub struct Journey {
    observed: Option<Instant>,
    steps: [AtomicI64; Step::ALL.len()],
    witnesses: [AtomicI64; WITNESSES.len()],
}

/// How long each step has taken, in ms; absent where it has not been done, or is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Steps {
    /// From the observation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub describe: Option<f64>,
    /// From the description, or from the observation where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announce: Option<f64>,
    /// From the announcement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<f64>,
    /// From being stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<f64>,
}

impl Default for Journey {
    fn default() -> Self {
        Self {
            observed: None,
            steps: std::array::from_fn(|_| AtomicI64::new(UNKNOWN)),
            witnesses: std::array::from_fn(|_| AtomicI64::new(UNKNOWN)),
        }
    }
}

impl Journey {
    /// Begins with the observation.
    pub fn observed_at(observed: Instant) -> Self {
        Self { observed: Some(observed), ..Self::default() }
    }

    /// When the transition was observed.
    pub fn observed(&self) -> Option<Instant> {
        self.observed
    }

    /// A step is done. The first time counts: whether this is it, as far as the journey is known.
    pub fn note(&self, step: Step, at: Instant) -> bool {
        self.steps.get(step as usize).is_some_and(|slot| self.set(slot, at))
    }

    /// How long after the observation a step was done.
    pub fn at(&self, step: Step) -> Option<Duration> {
        let micros = self.steps.get(step as usize)?.load(Ordering::Relaxed);
        (micros != UNKNOWN).then(|| Duration::from_micros(micros.max(0).unsigned_abs()))
    }

    /// How long a step has taken.
    pub fn took(&self, step: Step) -> Option<Duration> {
        let at = self.at(step)?;
        let before = Step::ALL.into_iter().take(step as usize).filter_map(|before| self.at(before)).max();
        Some(at.saturating_sub(before.unwrap_or_default()))
    }

    /// How long each step has taken.
    pub fn steps(&self) -> Steps {
        let [describe, announce, store, publish] =
            Step::ALL.map(|step| self.took(step).map(|took| took.as_secs_f64() * 1000.0));
        Steps { describe, announce, store, publish }
    }

    /// A source has seen the transition. The first time counts; it may be before the observation.
    pub fn witness(&self, source: &str, at: Instant) {
        if let Some(index) = WITNESSES.iter().position(|witness| *witness == source) {
            self.set(&self.witnesses[index], at);
        }
    }

    /// Who has seen the transition, and how many ms after whoever saw it first.
    pub fn seen_by(&self) -> BTreeMap<&'static str, f64> {
        let seen: Vec<(&'static str, i64)> = self.seen().collect();
        let first = seen.iter().map(|(_, micros)| *micros).min().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "microseconds of minutes")]
        seen.into_iter().map(|(source, micros)| (source, (micros - first) as f64 / 1000.0)).collect()
    }

    /// Who has seen it first.
    pub fn first_witness(&self) -> Option<&'static str> {
        self.seen().min_by_key(|(_, micros)| *micros).map(|(source, _)| source)
    }

    /// Who has seen it, and how many microseconds after the observation; before it, if less than 0.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&'static str, i64)> {
        let times = self.witnesses.iter().map(|slot| slot.load(Ordering::Relaxed));
        WITNESSES.into_iter().zip(times).filter(|(_, micros)| *micros != UNKNOWN)
    }

    fn set(&self, slot: &AtomicI64, at: Instant) -> bool {
        let Some(observed) = self.observed else { return false };
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let offset = match at.checked_duration_since(observed) {
            Some(after) => micros(after),
            None => -micros(observed.duration_since(at)),
        };
        // Only the first one finds the slot empty.
        slot.compare_exchange(UNKNOWN, offset, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Clone for Journey {
    fn clone(&self) -> Self {
        let copy = |slot: &AtomicI64| AtomicI64::new(slot.load(Ordering::Relaxed));
        Self {
            observed: self.observed,
            steps: std::array::from_fn(|at| copy(&self.steps[at])),
            witnesses: std::array::from_fn(|at| copy(&self.witnesses[at])),
        }
    }
}

/// When an event went through is no part of what it says.
impl PartialEq for Journey {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn each_step_takes_from_the_one_before_it() {
        let start = Instant::now();
        let journey = Journey::observed_at(start);
        assert_eq!(journey.steps(), Steps::default());
        journey.note(Step::Announce, at(start, 2));
        assert!(journey.note(Step::Store, at(start, 5)));
        assert!(!journey.note(Step::Store, at(start, 50)), "it is done again");
        journey.note(Step::Publish, at(start, 11));
        let took = Steps { describe: None, announce: Some(2.0), store: Some(3.0), publish: Some(6.0) };
        assert_eq!(journey.steps(), took);
        assert_eq!(journey.clone().steps(), took);
    }

    #[test]
    fn who_saw_it_first_may_have_seen_it_before_the_observation() {
        let start = at(Instant::now(), 1000);
        let journey = Journey::observed_at(start);
        journey.witness(name::NETLINK, start);
        journey.witness(name::LIBUSB, start.checked_sub(Duration::from_millis(3)).expect("uptime"));
        journey.witness("nobody", start);
        assert_eq!(journey.first_witness(), Some(name::LIBUSB));
        assert_eq!(journey.seen_by(), BTreeMap::from([(name::LIBUSB, 0.0), (name::NETLINK, 3.0)]));
    }

    #[test]
    fn of_what_an_earlier_run_has_observed_nothing_is_known() {
        let journey = Journey::default();
        assert!(!journey.note(Step::Publish, Instant::now()));
        journey.witness(name::NETLINK, Instant::now());
        assert_eq!((journey.at(Step::Publish), journey.first_witness()), (None, None));
    }
}
