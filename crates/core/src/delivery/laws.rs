//! Laws of the delivery, with a store behind it and without.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;
use crate::driver_report::{DriverReport, DriverState};
use crate::event::Attachment;
use crate::notice::RedisStatus;
use crate::ready::Readiness;
use crate::test_support::event;

fn queue(capacity: usize) -> Arc<Delivery> {
    Arc::new(Delivery::new(capacity, Box::new(|| {})))
}

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

fn drain(delivery: &Arc<Delivery>) -> Vec<Notice> {
    let mut all = Vec::new();
    loop {
        let (taken, more) = delivery.take(3);
        all.extend(taken);
        if !more {
            return all;
        }
    }
}

/// How far a device is, and what was done for its want of a driver.
fn asides(attach: &Arc<Event>) -> [Notice; 2] {
    let readiness = Readiness {
        is_ready: true,
        obstacles: vec![],
        timestamp: 0,
        elapsed_ms: 1.0,
        interfaces: vec![],
        capabilities: vec![],
        nodes: vec![],
    };
    let report = DriverReport {
        state: DriverState::Bound,
        signature: attach.attachment.signature.clone(),
        event_id: attach.event_id(),
        device: "1-4".into(),
        rule: 0,
        interfaces: vec![],
        requests: vec![],
        attempts: 1,
        reason: None,
        timestamp: 0,
    };
    [
        Notice::Ready { event: Arc::clone(attach), readiness: Arc::new(readiness) },
        Notice::Driver(Arc::new(report)),
    ]
}

#[test]
fn what_is_told_of_a_device_beside_its_events_follows_its_attach_and_is_forgotten_with_it() {
    let delivery = queue(1);
    let [first, second, gone] = [1, 2, 3].map(|seq| {
        let event = event(seq, Action::Attach, seq);
        let attachment = Attachment { signature: seq.to_string(), ..(*event.attachment).clone() };
        Arc::new(Event { attachment: Arc::new(attachment), ..(*event).clone() })
    });
    for attach in [&first, &second, &gone] {
        delivery.push(&Notice::Transition(Arc::clone(attach)));
        // However often it is said.
        for notice in [asides(attach), asides(attach)].concat() {
            delivery.push(&notice);
        }
    }
    delivery.push(&Notice::Transition(Arc::new(Event { seq: 4, action: Action::Detach, ..(*gone).clone() })));
    let told = drain(&delivery);
    let place = |wanted: &dyn Fn(&Notice) -> bool| {
        told.iter().enumerate().filter(|(_, notice)| wanted(notice)).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let about = |wanted: &Arc<Event>| {
        let [ready, driver] = asides(wanted);
        [place(&|notice| *notice == ready), place(&|notice| *notice == driver)]
    };
    assert_eq!(about(&first).map(|places| places.len()), [1, 1], "{told:?}");
    let attached = place(&|notice| *notice == Notice::Transition(Arc::clone(&second)))[0];
    let [ready, driver] = about(&second);
    assert!(ready.len() == 1 && ready[0] > attached, "{told:?}");
    assert!(driver.len() == 1 && driver[0] > attached, "{told:?}");
    assert_eq!(about(&gone).concat(), Vec::<usize>::new(), "{told:?}");
}

#[test]
fn many_notices_make_one_wake_up() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let delivery = Arc::new(Delivery::new(
        100,
        Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }),
    ));
    for seq in 1..=10 {
        delivery.push(&Notice::Transition(event(seq, Action::Attach, seq)));
    }
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    assert!(delivery.take(4).1);
    delivery.push(&Notice::Transition(event(11, Action::Attach, 11)));
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "still awake");
    assert_eq!(seqs(&drain(&delivery)), [5, 6, 7, 8, 9, 10, 11]);
    delivery.push(&Notice::Transition(event(12, Action::Attach, 12)));
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
}

#[test]
fn a_subscriber_that_is_awake_for_another_reason_is_not_woken_and_told_whether_something_waits() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let wake = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    let delivery = Arc::new(Delivery::new(100, Box::new(wake)));
    let push = |seq| delivery.push(&Notice::Transition(event(seq, Action::Attach, seq)));
    assert!(!delivery.while_awake(|| ()), "nothing waits");
    push(1);
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "it sleeps again");
    assert_eq!(seqs(&drain(&delivery)), [1]);
    assert!(delivery.while_awake(|| push(2)));
    push(3);
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "it is to take what waits");
    assert_eq!(seqs(&drain(&delivery)), [2, 3]);
    // Woken, and not there yet.
    push(4);
    assert!(delivery.while_awake(|| push(5)));
    assert_eq!((wakes.load(Ordering::Relaxed), seqs(&drain(&delivery))), (2, vec![4, 5]));
}

#[test]
fn a_full_queue_keeps_the_order_of_start_and_stop_and_the_last_word_of_everybody() {
    let delivery = queue(1);
    let redis = |connected| {
        let address = "localhost:6379".to_owned();
        Notice::Redis(RedisStatus { connected, address, delivery: None, reason: None, waiting: 0 })
    };
    for seq in 1..=3 {
        delivery.push(&Notice::Transition(event(seq, Action::Attach, seq)));
    }
    delivery.push(&Notice::Started);
    delivery.push(&redis(true));
    delivery.push(&redis(false));
    delivery.push(&Notice::Stopped);
    let all = drain(&delivery);
    assert_eq!(seqs(&all), [1, 2, 3]);
    assert_eq!(all[3..], [redis(false), Notice::Started, Notice::Stopped]);
}

/// How many transitions there are, and which attachments they leave: each has come once and gone once.
fn check_pairs(seen: &[Notice]) -> Result<(u64, HashSet<u64>), TestCaseError> {
    let mut set = HashSet::new();
    let mut transitions = 0;
    for notice in seen {
        if let Notice::Transition(event) = notice {
            transitions += 1;
            let attachment = event.attachment.instance;
            match event.action {
                Action::Attach => prop_assert!(set.insert(attachment)),
                Action::Detach => prop_assert!(set.remove(&attachment)),
            }
        }
    }
    Ok((transitions, set))
}

/// A store that answers when it is told to, and forgets.
#[derive(Default)]
struct Store {
    events: Mutex<VecDeque<Arc<Event>>>,
    question: Mutex<Option<(u64, usize, Answer)>>,
}

impl Store {
    fn behind(delivery: &Delivery) -> Arc<Self> {
        let store = Arc::new(Self::default());
        let asked = Arc::clone(&store);
        delivery.set_store(Box::new(move |after, limit, answer| {
            let before =
                asked.question.lock().expect("a lock that nobody poisons").replace((after, limit, answer));
            assert!(before.is_none(), "one question at a time");
        }));
        store
    }

    fn answer(&self) -> bool {
        let Some((after, limit, answer)) = self.question.lock().expect("a lock that nobody poisons").take()
        else {
            return false;
        };
        let events = self.events.lock().expect("a lock that nobody poisons");
        let page = events.iter().filter(|event| event.seq > after).take(limit).cloned().collect();
        drop(events);
        answer(Ok(page));
        true
    }

    fn add(&self, event: &Arc<Event>) {
        self.events.lock().expect("a lock that nobody poisons").push_back(Arc::clone(event));
    }
}

/// All there is, however often the store has to be asked.
fn drain_with(delivery: &Arc<Delivery>, store: &Store) -> Vec<Notice> {
    let mut all = Vec::new();
    loop {
        all.extend(drain(delivery));
        if !store.answer() {
            return all;
        }
    }
}

#[test]
fn what_finds_no_room_is_read_from_the_store_and_what_is_pushed_meanwhile_waits_its_turn() {
    let delivery = queue(2);
    let store = Store::behind(&delivery);
    let push = |seq, action, instance| {
        let event = event(seq, action, instance);
        store.add(&event);
        delivery.push(&Notice::Transition(event));
    };
    for seq in (1..=9).step_by(2) {
        push(seq, Action::Attach, seq);
        push(seq + 1, Action::Detach, seq);
    }
    delivery.push(&Notice::Started);
    let before = drain(&delivery);
    assert_eq!(seqs(&before), [1, 2]);
    assert_eq!(delivery.take(1), (vec![], false), "the store has not answered");
    push(11, Action::Attach, 11);
    let after = drain_with(&delivery, &store);
    assert_eq!(seqs(&after), [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(after.last(), Some(&Notice::Started));
    assert_eq!(lost(&after), 0);
    push(12, Action::Detach, 11);
    assert_eq!(seqs(&drain(&delivery)), [12], "without the store");
}

#[test]
fn a_store_that_cannot_be_read_is_told_with_the_gap_that_it_leaves() {
    let delivery = queue(1);
    let store = Store::behind(&delivery);
    for seq in 1..=4 {
        delivery.push(&Notice::Transition(event(seq, Action::Attach, seq / 3)));
    }
    drain(&delivery);
    let (.., answer) = store.question.lock().expect("a lock that nobody poisons").take().expect("a question");
    answer(Err(Error::new(Code::Outbox, "unreadable")));
    let told = drain(&delivery);
    assert!(matches!(&told[0], Notice::Error { error, .. } if error.code == Code::Outbox));
    assert_eq!(seqs(&told), [2, 4], "{told:?}");
}

#[test]
fn a_store_that_has_ended_answers_before_the_question_is_over() {
    let delivery = queue(1);
    delivery.set_store(Box::new(|_, _, answer| answer(Err(Error::new(Code::NotRunning, "ended")))));
    for seq in 1..=4 {
        delivery.push(&Notice::Transition(event(seq, Action::Attach, seq)));
    }
    delivery.push(&Notice::Stopped);
    let told = drain(&delivery);
    assert_eq!(seqs(&told), [1, 2, 3, 4]);
    assert_eq!(told.last(), Some(&Notice::Stopped), "no wake-up is needed");
}

#[test]
fn a_wait_for_a_subscriber_ends_when_it_has_all_or_with_the_patience() {
    let delivery = queue(1);
    let store = Store::behind(&delivery);
    for seq in 1..=3 {
        let event = event(seq, Action::Attach, seq);
        store.add(&event);
        delivery.push(&Notice::Transition(event));
    }
    delivery.wait_until_caught_up(Duration::from_millis(1));
    let waiting = Arc::clone(&delivery);
    let wait = std::thread::spawn(move || waiting.wait_until_caught_up(Duration::from_secs(3600)));
    assert_eq!(seqs(&drain_with(&delivery, &store)), [1, 2, 3]);
    wait.join().expect("no panic");
}

#[test]
fn what_waits_is_counted_and_so_is_what_a_subscriber_was_told_to_have_missed() {
    let delivery = queue(2);
    for seq in 1..=3 {
        delivery.push(&Notice::Transition(event(seq, Action::Attach, seq)));
    }
    delivery.push(&Notice::Transition(event(4, Action::Detach, 3)));
    assert_eq!(delivery.backlog(), Backlog { waiting: 4, gaps: 0 });
    delivery.take(1);
    assert_eq!(delivery.backlog(), Backlog { waiting: 3, gaps: 0 });
    drain(&delivery);
    assert_eq!(delivery.backlog(), Backlog { waiting: 0, gaps: 1 });
}

#[test]
fn acknowledgements_that_find_no_room_are_not_told() {
    let delivery = queue(2);
    delivery.set_wants_published(true);
    let published =
        || Notice::Published { event: event(1, Action::Attach, 1), stream_id: "1-0".into(), is_again: false };
    for _ in 0..3 {
        delivery.push(&published());
    }
    assert_eq!(drain(&delivery), [published(), published()]);
    delivery.push(&published());
    assert_eq!(drain(&delivery), [published()]);
}

proptest! {
    /// Whatever the capacity and however the subscriber lags, it ends with the right set, each attachment
    /// attaches once and then detaches once, and what it saw and what it is told it lost add up.
    #[test]
    fn a_slow_subscriber_ends_with_the_right_set(
        capacity in 1_usize..6,
        steps in proptest::collection::vec((0_u64..4, any::<bool>()), 0..80),
    ) {
        let delivery = queue(capacity);
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        let mut seq = 0;
        let mut seen = Vec::new();
        for (port, take) in steps {
            seq += 1;
            if let Some(attach) = live.remove(&port) {
                delivery.push(&Notice::Transition(event(seq, Action::Detach, attach)));
            } else {
                live.insert(port, seq);
                delivery.push(&Notice::Transition(event(seq, Action::Attach, seq)));
            }
            if take {
                seen.extend(delivery.take(2).0);
            }
        }
        seen.extend(drain(&delivery));
        let (transitions, set) = check_pairs(&seen)?;
        prop_assert_eq!(set, live.values().copied().collect::<HashSet<_>>());
        prop_assert_eq!(transitions + lost(&seen), seq);
        let order = seqs(&seen);
        prop_assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// With a store that keeps all, a subscriber that lags sees each event in its order and hears of no gap. Where it has
    /// forgotten some, the set is right all the same, and what was seen and what was lost add up.
    #[test]
    fn a_slow_subscriber_with_a_store_sees_all_that_is_kept(
        capacity in 1_usize..6,
        forgets in any::<bool>(),
        steps in proptest::collection::vec((0_u64..4, 0_u8..8), 0..80),
    ) {
        let delivery = queue(capacity);
        let store = Store::behind(&delivery);
        let mut live: BTreeMap<u64, u64> = BTreeMap::new();
        let mut seq = 0;
        let mut seen = Vec::new();
        for (port, act) in steps {
            seq += 1;
            let event = if let Some(attach) = live.remove(&port) {
                event(seq, Action::Detach, attach)
            } else {
                live.insert(port, seq);
                event(seq, Action::Attach, seq)
            };
            // It is told of before it is stored.
            delivery.push(&Notice::Transition(Arc::clone(&event)));
            store.add(&event);
            if act & 1 == 1 {
                seen.extend(delivery.take(2).0);
            }
            if act & 2 == 2 {
                store.answer();
            }
            if forgets && act & 4 == 4 {
                let mut events = store.events.lock().expect("a lock that nobody poisons");
                let count = events.len().min(2);
                events.drain(..count);
            }
        }
        seen.extend(drain_with(&delivery, &store));
        let (transitions, set) = check_pairs(&seen)?;
        prop_assert_eq!(set, live.values().copied().collect::<HashSet<_>>());
        prop_assert_eq!(transitions + lost(&seen), seq);
        if !forgets {
            prop_assert_eq!(seqs(&seen), (1..=seq).collect::<Vec<_>>());
        }
    }
}
