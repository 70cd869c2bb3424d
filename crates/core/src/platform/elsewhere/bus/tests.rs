//! A bus over a system that does what a test says.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use super::super::found::tests::found;
use super::super::lister::Heard;
use super::*;

const SOON: Duration = Duration::from_secs(10);

#[derive(Default)]
struct State {
    there: Vec<Found>,
    heard: Vec<Heard>,
    waker: Option<Waker>,
    refusals: u32,
}

/// A system that lists what it is told to, once for each permission where it needs one.
#[derive(Clone, Default)]
struct Fake {
    state: Arc<Mutex<State>>,
    permits: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Fake {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("no panic"))
    }

    /// Something is heard.
    fn tell(&self, heard: Heard) {
        let waker = self.with(|state| {
            state.heard.push(heard);
            state.waker.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl System for Fake {
    fn watch(&mut self) -> Result<(), String> {
        self.with(|state| {
            let left = state.refusals.checked_sub(1);
            state.refusals = left.unwrap_or_default();
            left.map_or(Ok(()), |_| Err("not now".into()))
        })
    }

    fn next(&mut self, task: &mut Context<'_>) -> Option<Heard> {
        self.with(|state| {
            state.waker = Some(task.waker().clone());
            (!state.heard.is_empty()).then(|| state.heard.remove(0))
        })
    }

    fn list(&mut self) -> Result<Vec<Found>, String> {
        if let Some(permits) = &self.permits {
            let _ = permits.lock().expect("no panic").recv();
        }
        Ok(self.with(|state| state.there.clone()))
    }
}

fn open(fake: &Fake) -> (Bus, Receiver<News>) {
    let (tell, told) = channel();
    let bus = Bus::silent().listen(fake.clone(), move |news| {
        let _ = tell.send(news);
    });
    (bus, told)
}

fn slow() -> (Fake, Sender<()>) {
    let (permit, permits) = channel();
    (Fake { permits: Some(Arc::new(Mutex::new(permits))), ..Fake::default() }, permit)
}

fn names(scan: Result<Option<Vec<Entry>>, String>) -> Option<Vec<String>> {
    let mut names: Vec<String> = scan.expect("no failure")?.into_iter().map(|entry| entry.name).collect();
    names.sort();
    Some(names)
}

#[test]
fn what_is_there_is_listed_once_it_is_heard_what_comes() {
    let fake = Fake::default();
    fake.with(|state| state.there = vec![found("1-1", 2, 7), found("1-1.3", 3, 8)]);
    let (mut bus, told) = open(&fake);
    assert!(!bus.has_listed());
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Watching(Ok(())));
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Listing);
    assert!(bus.has_listed());
    assert_eq!(names(bus.scan(|_, _| false)), Some(vec!["1-1".into(), "1-1.3".into()]));
    let address = Address { bus: 1, device: 2 };
    assert!(matches!(bus.describe_name("1-1", address), Some(Description::Whole(_))));
    assert!(bus.describe_name("1-1", Address { bus: 1, device: 9 }).is_none(), "another one");
    assert_eq!((bus.address("1-1"), bus.address("1-2")), (Some(address), None));
}

#[test]
fn what_comes_is_told_before_the_listing_that_shows_it() {
    let fake = Fake::default();
    let (mut bus, told) = open(&fake);
    for _ in 0..2 {
        bus.take(told.recv_timeout(SOON).expect("told"));
    }
    let device = found("1-2", 5, 1);
    fake.with(|state| state.there = vec![device.clone()]);
    fake.tell(Heard::Came(Box::new(device.clone())));
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Sighting(device.entry()));
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Listing);
    fake.with(|state| state.there.clear());
    fake.tell(Heard::Left);
    loop {
        assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Listing);
        if names(bus.scan(|_, _| false)) == Some(vec![]) {
            break;
        }
    }
}

#[test]
fn a_listing_that_does_not_come_keeps_nobody_waiting_and_is_asked_for_again_when_it_has_come() {
    let (fake, permit) = slow();
    let (mut bus, told) = open(&fake);
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Watching(Ok(())));
    assert_eq!(names(bus.scan(|_, _| false)), None);
    // As if the time had passed.
    bus.asked = Instant::now().checked_sub(PATIENCE);
    if bus.asked.is_some() {
        let why = bus.scan(|_, _| false).expect_err("too late");
        assert!(why.contains("does not answer"), "{why}");
    }
    permit.send(()).expect("listed");
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Listing);
    assert_eq!(names(bus.scan(|_, _| false)), Some(vec![]));
    assert_eq!(names(bus.scan(|_, _| false)), None);
    permit.send(()).expect("listed");
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Listing);
}

#[test]
fn a_lister_that_hangs_keeps_no_stop_waiting() {
    let (fake, permit) = slow();
    let (bus, told) = open(&fake);
    told.recv_timeout(SOON).expect("told");
    let begun = Instant::now();
    drop(bus);
    assert!(begun.elapsed() < SOON);
    drop(permit);
}

#[test]
fn a_watch_that_cannot_be_had_is_told_of_and_tried_again_with_each_listing() {
    let fake = Fake::default();
    fake.with(|state| state.refusals = 1);
    let (mut bus, told) = open(&fake);
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Watching(Err("not now".into())));
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Listing);
    assert!(names(bus.scan(|_, _| false)).is_some());
    assert_eq!(names(bus.scan(|_, _| false)), None, "it is asked for another one");
    assert_eq!(bus.take(told.recv_timeout(SOON).expect("told")), Taken::Watching(Ok(())));
}

#[test]
fn a_listing_without_a_daemon_gives_up_on_what_hangs() {
    let (fake, permit) = slow();
    let failure = Listing::of(fake, Duration::from_millis(20)).map(drop).expect_err("too late");
    assert!(failure.message.contains("does not answer"), "{failure}");
    drop(permit);
    let fake = Fake::default();
    fake.with(|state| state.there = vec![Found { driver: Some("WINUSB".into()), ..found("1-1", 2, 7) }]);
    let listing = Listing::of(fake, SOON).expect("a listing");
    assert_eq!((listing.devices.len(), listing.drivers("1-1")), (1, vec!["WINUSB".to_owned()]));
}
