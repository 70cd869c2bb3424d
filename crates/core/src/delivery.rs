//! Delivery: a bounded, ordered queue of notices to one subscriber, with one wake-up for many of them.
//!
//! A subscriber that is too slow loses nothing up to the capacity. Beyond it, attach and detach of the same
//! attachment cancel each other out, and what remains is owed: once the subscriber has caught up it gets a gap
//! that says how many transitions it never saw, then what it is owed, so that its set of devices is right again.
//!
//! Invariant: the memory held is bounded by the capacity and the number of attached devices, however long the
//! subscriber sleeps.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::event::{Action, Event};
use crate::notice::{Gap, GapCause, Notice};

/// Wakes the subscriber; called with no lock held, at most once until it has taken everything.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The queue's two ends: `push` on the daemon's side, `take` on the subscriber's.
pub struct Delivery {
    state: Mutex<State>,
    capacity: usize,
    wake: Wake,
    wants_published: AtomicBool,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Notice>,
    awake: bool,
    /// Attachments that the subscriber has been told of, or will be by what is queued.
    told: HashSet<u64>,
    overflow: Option<Overflow>,
}

#[derive(Default)]
struct Overflow {
    /// Transitions by attachment, in order of seq.
    owed: BTreeMap<u64, Notice>,
    lost: u64,
    /// The latest word on each source, on Redis and of each error.
    latest: BTreeMap<String, Notice>,
    /// Answers to reports: after what they have brought.
    answers: Vec<Notice>,
    /// What is owed comes before it.
    started: bool,
    /// Nothing may follow it.
    stopped: bool,
}

impl Delivery {
    /// A queue of at most `capacity` notices.
    pub fn new(capacity: usize, wake: Wake) -> Self {
        Self { state: Mutex::default(), capacity, wake, wants_published: AtomicBool::new(false) }
    }

    /// Whether the subscriber wants to hear of each acknowledgement by Redis; at first it does not.
    pub fn set_wants_published(&self, wanted: bool) {
        self.wants_published.store(wanted, Ordering::Relaxed);
    }

    /// Appends a notice and wakes the subscriber if it sleeps.
    pub fn push(&self, notice: Notice) {
        if matches!(notice, Notice::Published { .. }) && !self.wants_published.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.lock();
        if state.overflow.is_some() || state.queue.len() >= self.capacity {
            state.overflow.get_or_insert_default();
            state.withhold(notice);
        } else {
            state.enqueue(notice);
        }
        let wake = !std::mem::replace(&mut state.awake, true);
        drop(state);
        if wake {
            (self.wake)();
        }
    }

    /// Takes up to `limit` notices. The flag says whether more are waiting; if not, the next push wakes again.
    pub fn take(&self, limit: usize) -> (Vec<Notice>, bool) {
        let mut state = self.lock();
        if state.queue.is_empty() {
            state.settle();
        }
        let count = limit.min(state.queue.len());
        let taken = state.queue.drain(..count).collect();
        let more = !state.queue.is_empty() || state.overflow.is_some();
        state.awake = more;
        (taken, more)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and a queue is consistent between any two statements of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, notice: Notice) {
        if let Notice::Transition(event) = &notice {
            self.note_told(event);
        }
        self.queue.push_back(notice);
    }

    fn note_told(&mut self, event: &Event) {
        let attachment = event.attachment.instance;
        match event.action {
            Action::Attach => self.told.insert(attachment),
            Action::Detach => self.told.remove(&attachment),
        };
    }

    fn withhold(&mut self, notice: Notice) {
        let Some(overflow) = &mut self.overflow else { return };
        match &notice {
            Notice::Transition(event) => {
                let attachment = event.attachment.instance;
                match event.action {
                    Action::Detach
                        if !self.told.contains(&attachment) && !event.ends_earlier_attachment() =>
                    {
                        overflow.owed.remove(&attachment);
                        overflow.lost += 2;
                    }
                    _ => {
                        overflow.owed.insert(attachment, notice);
                    }
                }
            }
            // Rare and about the daemon itself: late, but told.
            Notice::Gap(_) => self.queue.push_back(notice),
            Notice::Started => overflow.started = true,
            Notice::Stopped => overflow.stopped = true,
            Notice::Source(status) => {
                overflow.latest.insert(format!("source {}", status.source), notice);
            }
            Notice::Redis(_) => {
                overflow.latest.insert("redis".to_owned(), notice);
            }
            Notice::Error { error, .. } => {
                overflow.latest.insert(format!("error {}", error.code.as_str()), notice);
            }
            Notice::Injected { .. } => overflow.answers.push(notice),
            Notice::Published { .. } => {}
        }
    }

    /// The subscriber has caught up: says what it never saw and hands over what it is owed.
    fn settle(&mut self) {
        let Some(overflow) = self.overflow.take() else { return };
        if overflow.lost > 0 {
            self.enqueue(Notice::Gap(Gap {
                source: "delivery",
                cause: GapCause::QueueFull,
                lost: Some(overflow.lost),
                timestamp: clock::now_ms(),
                synthesized: 0,
            }));
        }
        let mut owed: Vec<Notice> = overflow.owed.into_values().collect();
        owed.sort_by_key(|notice| match notice {
            Notice::Transition(event) => event.seq,
            _ => u64::MAX,
        });
        for notice in owed {
            self.enqueue(notice);
        }
        for notice in overflow.answers.into_iter().chain(overflow.latest.into_values()) {
            self.enqueue(notice);
        }
        if overflow.started {
            self.enqueue(Notice::Started);
        }
        if overflow.stopped {
            self.enqueue(Notice::Stopped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::notice::RedisStatus;
    use crate::test_support::event;
    use proptest::prelude::*;

    fn seqs(notices: &[Notice]) -> Vec<u64> {
        notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Transition(event) => Some(event.seq),
                _ => None,
            })
            .collect()
    }

    fn lost(notices: &[Notice]) -> u64 {
        notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::Gap(gap) => gap.lost,
                _ => None,
            })
            .sum()
    }

    fn drain(delivery: &Delivery) -> Vec<Notice> {
        let mut all = Vec::new();
        loop {
            let (taken, more) = delivery.take(3);
            all.extend(taken);
            if !more {
                return all;
            }
        }
    }

    #[test]
    fn many_notices_make_one_wake_up() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let delivery = Delivery::new(
            100,
            Box::new(move || {
                counter.fetch_add(1, Ordering::Relaxed);
            }),
        );
        for seq in 1..=10 {
            delivery.push(Notice::Transition(event(seq, Action::Attach, seq)));
        }
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        assert!(delivery.take(4).1);
        delivery.push(Notice::Transition(event(11, Action::Attach, 11)));
        assert_eq!(wakes.load(Ordering::Relaxed), 1, "still awake");
        assert_eq!(seqs(&drain(&delivery)), [5, 6, 7, 8, 9, 10, 11]);
        delivery.push(Notice::Transition(event(12, Action::Attach, 12)));
        assert_eq!(wakes.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_full_queue_keeps_the_order_of_start_and_stop_and_the_last_word_of_everybody() {
        let delivery = Delivery::new(1, Box::new(|| {}));
        let redis = |connected| {
            let address = "localhost:6379".to_owned();
            Notice::Redis(RedisStatus { connected, address, delivery: None, reason: None, waiting: 0 })
        };
        for seq in 1..=3 {
            delivery.push(Notice::Transition(event(seq, Action::Attach, seq)));
        }
        delivery.push(Notice::Started);
        delivery.push(redis(true));
        delivery.push(redis(false));
        delivery.push(Notice::Stopped);
        let all = drain(&delivery);
        assert_eq!(seqs(&all), [1, 2, 3]);
        assert_eq!(all[3..], [redis(false), Notice::Started, Notice::Stopped]);
    }

    proptest! {
        /// Whatever the capacity and however the subscriber lags, it ends with the right set, each attachment
        /// attaches once and then detaches once, and what it saw and what it is told it lost add up.
        #[test]
        fn a_slow_subscriber_ends_with_the_right_set(
            capacity in 1_usize..6,
            steps in proptest::collection::vec((0_u64..4, any::<bool>()), 0..80),
        ) {
            let delivery = Delivery::new(capacity, Box::new(|| {}));
            let mut live: BTreeMap<u64, u64> = BTreeMap::new();
            let mut seq = 0;
            let mut seen = Vec::new();
            for (port, take) in steps {
                seq += 1;
                if let Some(attach) = live.remove(&port) {
                    delivery.push(Notice::Transition(event(seq, Action::Detach, attach)));
                } else {
                    live.insert(port, seq);
                    delivery.push(Notice::Transition(event(seq, Action::Attach, seq)));
                }
                if take {
                    seen.extend(delivery.take(2).0);
                }
            }
            seen.extend(drain(&delivery));
            let mut set = HashSet::new();
            let mut transitions = 0;
            for notice in &seen {
                if let Notice::Transition(event) = notice {
                    transitions += 1;
                    let attachment = event.attachment.instance;
                    match event.action {
                        Action::Attach => prop_assert!(set.insert(attachment)),
                        Action::Detach => prop_assert!(set.remove(&attachment)),
                    }
                }
            }
            prop_assert_eq!(set, live.values().copied().collect::<HashSet<_>>());
            prop_assert_eq!(transitions + lost(&seen), seq);
            let order = seqs(&seen);
            prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
