//! What must hold for a follower, however it reads and whatever is forgotten meanwhile: each event once and in order, and what is
//! missing told as a gap of that size, before what follows it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::feed::Feed;
use super::follower::{Follower, From, Place, Store};
use super::wording::Wording;
use crate::event::{Action, Event};
use crate::notice::Notice;
use crate::onlooker::Onlooker as _;
use crate::test_support::event;

#[derive(Clone, Debug)]
enum Step {
    /// So many events happen.
    Happen(u16),
    /// The client takes so many pieces.
    Take(u8),
    /// The outbox keeps no more than so many.
    Keep(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        // Some of these are more than the feed keeps.
        (1_u16..1500).prop_map(Step::Happen),
        (1_u16..4).prop_map(Step::Happen),
        (1_u8..4).prop_map(Step::Take),
        (0_u16..600).prop_map(Step::Keep),
    ];
    prop::collection::vec(step, 1..12)
}

/// What a client has been told.
#[derive(Debug, Default)]
struct Told {
    last: u64,
    events: u64,
    lost: u64,
}

impl Told {
    fn take(&mut self, text: &str) {
        for block in text.split("\n\n") {
            if let Some(id) = block.strip_prefix("id: test:") {
                let seq: u64 = id.lines().next().and_then(|seq| seq.parse().ok()).expect("a number");
                assert!(seq > self.last, "{seq} after {}", self.last);
                self.events += 1;
                self.last = seq;
                assert_eq!(self.events + self.lost, seq, "a hole that no gap has told of");
            } else if let Some(data) = block.strip_prefix("event: gap\ndata: ") {
                let gap: serde_json::Value = serde_json::from_str(data).expect("JSON");
                self.lost += gap["lost"].as_u64().expect("how many");
            }
        }
    }
}

async fn run(steps: Vec<Step>) {
    let kept: Arc<Mutex<VecDeque<Arc<Event>>>> = Arc::default();
    let events = Arc::clone(&kept);
    let store = Store {
        ask: Box::new(move |after, limit, answer| {
            let events = events.lock().expect("whole");
            answer(Ok(events.iter().filter(|event| event.seq > after).take(limit).cloned().collect()));
        }),
        turn: Semaphore::new(1),
    };
    let feed = Feed::new();
    let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a slot");
    let place = || Place { producer: "test".into(), last: 0 };
    let mut follower = Follower::new(&feed, Arc::new(store), Wording::Events, &From::Now, place, slot);
    let mut told = Told::default();
    let mut last = 0;
    for step in steps {
        match step {
            Step::Happen(count) => {
                for _ in 0..count {
                    last += 1;
                    let event = event(last, Action::Attach, last);
                    feed.notice(&Notice::Transition(Arc::clone(&event)));
                    kept.lock().expect("whole").push_back(event);
                }
            }
            Step::Take(count) => {
                for _ in 0..count {
                    told.take(&follower.next().await.expect("it goes on"));
                }
            }
            Step::Keep(most) => {
                let mut kept = kept.lock().expect("whole");
                while kept.len() > most.into() {
                    kept.pop_front();
                }
            }
        }
    }
    // What is forgotten at the very end shows with what comes next.
    let event = event(last + 1, Action::Attach, last + 1);
    feed.notice(&Notice::Transition(Arc::clone(&event)));
    kept.lock().expect("whole").push_back(event);
    loop {
        let text = follower.next().await.expect("it goes on");
        told.take(&text);
        if text == ": still here\n\n" {
            break;
        }
    }
    assert_eq!(told.last, last + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn each_event_comes_once_in_order_and_what_is_missing_is_told(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(run(steps));
    }
}

/// An event of another series than [`event`]'s.
fn of_new_series(seq: u64) -> Arc<Event> {
    Arc::new(Event { producer: "new".into(), ..(*event(seq, Action::Attach, seq)).clone() })
}

#[test]
fn what_is_left_of_a_series_that_has_ended_leads_nobody_back_to_it() {
    let pages = Store {
        ask: Box::new(|after, _, answer| answer(Ok((after + 1..=4).map(of_new_series).collect()))),
        turn: Semaphore::new(1),
    };
    let feed = Feed::new();
    let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a slot");
    let place = || Place { producer: "test".into(), last: 0 };
    let from = From::After(Some("test".to_owned()), 0);
    let mut follower = Follower::new(&feed, Arc::new(pages), Wording::Events, &from, place, slot);
    feed.notice(&Notice::Transition(event(9, Action::Attach, 9)));
    (4..=6).for_each(|seq| feed.notice(&Notice::Transition(of_new_series(seq))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let mut text = String::new();
    runtime.expect("a runtime").block_on(async {
        while !text.ends_with(": still here\n\n") {
            text.push_str(&follower.next().await.expect("it goes on"));
        }
    });
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["new:1", "new:2", "new:3", "new:4", "new:5", "new:6"]);
}
