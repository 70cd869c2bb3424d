//! The registry's laws where there are no uevents: over a model of a system that tells of devices late, shows them in listings, and
//! may call a device the same before and after a replug.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::platform::Entry;

const NAMES: [&str; 3] = ["1-1", "1-1.2", "2-1"];

#[derive(Clone, Debug)]
enum Step {
    /// A device comes into this port, or the one that is there leaves.
    Turn(usize),
    /// What has been heard is told, and then what is there. Devices come and go in between, and while it is listed.
    List {
        between: Vec<usize>,
        heard: usize,
    },
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let port = 0..NAMES.len();
    let step = prop_oneof![
        6 => port.clone().prop_map(Step::Turn),
        4 => (proptest::collection::vec(port, 0..4), 0..8_usize)
            .prop_map(|(between, heard)| Step::List { between, heard }),
        1 => (0..3000_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..80)
}

/// The system, and the engine's part.
struct Run {
    registry: Registry,
    now: Instant,
    marks: u64,
    ports: [Option<u64>; 3],
    /// Comings that nobody has been told of.
    heard: VecDeque<Entry>,
    /// Marks that a listing has shown.
    shown: HashSet<u64>,
    /// Marks that have been attached.
    begun: Vec<u64>,
    /// What is attached, by name.
    attached: BTreeMap<String, Address>,
    detaches: usize,
}

impl Run {
    fn new() -> Self {
        let mut registry = Registry::new(Duration::from_millis(250));
        registry.set_uevents_open(false);
        let now = Instant::now();
        let mut run = Self {
            registry,
            now,
            marks: 0,
            ports: [None; 3],
            heard: VecDeque::new(),
            shown: HashSet::new(),
            begun: vec![],
            attached: BTreeMap::new(),
            detaches: 0,
        };
        run.list();
        run
    }

    fn entry(at: usize, mark: u64) -> Entry {
        // One address for all that come into a port: some host controllers give it again at once.
        let address = Address { bus: if at == 2 { 2 } else { 1 }, device: [5, 6, 5][at] };
        Entry { name: NAMES[at].to_owned(), mark, address: Some(address) }
    }

    fn turn(&mut self, at: usize) {
        if self.ports[at].take().is_none() {
            self.marks += 1;
            self.heard.push_back(Self::entry(at, self.marks));
            self.ports[at] = Some(self.marks);
        }
    }

    fn hear(&mut self, most: usize) {
        for _ in 0..most {
            let Some(entry) = self.heard.pop_front() else { return };
            let verdict = self.registry.sighted(&entry);
            self.take(verdict, &[entry]);
        }
    }

    fn list(&mut self) {
        let scan: Vec<Entry> =
            (0..3).filter_map(|at| self.ports[at].map(|mark| Self::entry(at, mark))).collect();
        self.shown.extend(scan.iter().map(|entry| entry.mark));
        let verdict = self.registry.snapshot(&scan, &HashSet::new(), self.now);
        self.take(verdict, &scan);
    }

    fn take(&mut self, verdict: Verdict, seen: &[Entry]) {
        assert_eq!(verdict.gap, None, "nothing was deaf");
        for transition in verdict.transitions {
            match transition {
                Transition::Attach { name, address, backend, .. } => {
                    assert_eq!(backend, Backend::Snapshot);
                    let mark = seen.iter().find(|entry| entry.name == name).expect("seen").mark;
                    assert_eq!(self.attached.insert(name, address), None, "one at a time in each place");
                    self.begun.push(mark);
                }
                Transition::Detach { name, .. } => {
                    assert!(self.attached.remove(&name).is_some(), "{name} was attached");
                    self.detaches += 1;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_shown_or_sighted_attaches_once_and_leaves_once_however_late_it_is_told(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            match step {
                Step::Turn(at) => run.turn(at),
                Step::List { between, heard } => {
                    run.hear(heard);
                    for at in between {
                        run.turn(at);
                    }
                    run.list();
                }
                Step::Wait(ms) => run.now += Duration::from_millis(ms.min(100)),
            }
        }
        run.hear(usize::MAX);
        run.list();
        let present: BTreeMap<_, _> = (0..3)
            .filter(|&at| run.ports[at].is_some())
            .map(|at| (NAMES[at].to_owned(), Run::entry(at, 0).address.expect("an address")))
            .collect();
        prop_assert_eq!(&run.attached, &present);
        let begun: HashSet<u64> = run.begun.iter().copied().collect();
        prop_assert_eq!(run.begun.len(), begun.len(), "none twice");
        prop_assert!(run.shown.is_subset(&begun), "each that a listing has shown");
        prop_assert_eq!(run.begun.len() - run.detaches, present.len());
    }
}

#[test]
fn a_device_that_came_and_left_between_two_listings_is_told_of() {
    let mut run = Run::new();
    run.turn(0);
    run.turn(0);
    run.hear(1);
    run.list();
    assert_eq!((run.begun.len(), run.detaches), (1, 1));
}

#[test]
fn a_replug_that_no_listing_has_shown_ends_one_attachment_and_begins_another() {
    let mut run = Run::new();
    run.turn(0);
    run.list();
    run.turn(0);
    run.turn(0);
    // Whether it is heard of or only shown.
    for heard in [2, 0] {
        let mut run = Run { heard: run.heard.clone(), registry: Registry::new(Duration::ZERO), ..Run::new() };
        run.registry.set_uevents_open(false);
        run.ports[0] = Some(1);
        run.list();
        run.ports[0] = Some(2);
        run.hear(heard);
        run.list();
        assert_eq!((run.begun.len(), run.detaches), (2, 1), "{heard} heard");
    }
}

#[test]
fn nothing_is_sighted_before_the_first_listing_or_where_uevents_decide() {
    let entry = Run::entry(0, 1);
    let mut registry = Registry::new(Duration::from_millis(250));
    registry.set_uevents_open(false);
    assert_eq!(registry.sighted(&entry), Verdict::default());
    let mut hearing = Registry::new(Duration::from_millis(250));
    hearing.snapshot(&[], &HashSet::new(), Instant::now());
    assert_eq!(hearing.sighted(&entry), Verdict::default());
}
