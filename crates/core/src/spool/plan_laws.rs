//! The laws of missed records, over every interleaving of daemons that run and do not, sockets that hear and lose, and a udev that
//! writes as late as it likes: each transition is told once, and an attach before its detach.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;

use super::Claims;
use super::Record;
use super::plan::{Facts, Fate, When, plan};
use super::settled::Settled;
use crate::device::Address;
use crate::event::Action;

#[derive(Clone, Debug)]
enum Step {
    /// The device at this port comes, or leaves if it is there.
    Turn(u8),
    /// udev writes what it has not written, up to so many.
    Write(usize),
    /// The daemon looks at the spool.
    Look,
    /// The daemon ends, or begins.
    Switch,
    /// So many uevents from here on are lost.
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8).prop_map(Step::Turn),
        3 => (1..6_usize).prop_map(Step::Write),
        3 => Just(Step::Look),
        2 => Just(Step::Switch),
        1 => (1..3_usize).prop_map(Step::Lose),
    ]
}

fn record(action: Action, port: u8, device: u16, seqnum: u64) -> Record {
    let text = format!(
        "VERSION=1\nACTION={}\nBOOT_ID=b\nSEQNUM={seqnum}\nTIMESTAMP=1\nDEVPATH=/devices/x/usb1/1-{}\nBUSNUM=1\nDEVNUM={device}\n\
         PRODUCT=1/2/3\nTYPE=0/0/0\n",
        action.as_str(),
        port + 1
    );
    Record::parse(seqnum, text.as_bytes()).expect("a record")
}

/// A machine with a udev and a daemon, as far as it matters here.
#[derive(Default)]
struct Machine {
    present: HashMap<String, Address>,
    seqnum: u64,
    devices: u16,
    unwritten: Vec<Record>,
    spool: BTreeMap<u64, Record>,
    runs: bool,
    loses: usize,
    /// What the daemon thinks is attached; the outbox remembers it.
    attached: HashMap<String, Address>,
    /// Dealt with, which the outbox remembers with each event.
    settled: Settled,
    /// What snapshots have told, which the outbox remembers as well.
    claims: Claims,
    told: Vec<(Action, Address)>,
}

impl Machine {
    fn turn(&mut self, port: u8) {
        self.seqnum += 1;
        let name = format!("1-{}", port + 1);
        let (action, address) = if let Some(address) = self.present.remove(&name) {
            (Action::Detach, address)
        } else {
            self.devices += 1;
            let address = Address { bus: 1, device: self.devices };
            self.present.insert(name.clone(), address);
            (Action::Attach, address)
        };
        self.unwritten.push(record(action, port, address.device, self.seqnum));
        if self.runs && self.loses > 0 {
            self.loses -= 1;
        } else if self.runs {
            self.settled.insert(self.seqnum, self.seqnum);
            self.hear(action, &name, address);
        }
    }

    /// As the registry does, whoever says it.
    fn hear(&mut self, action: Action, name: &str, address: Address) {
        match (action, self.attached.get(name).copied()) {
            (Action::Attach, Some(known)) if known == address => {}
            (Action::Attach, known) => {
                if let Some(known) = known {
                    self.tell(Action::Detach, name, known);
                }
                self.tell(Action::Attach, name, address);
            }
            (Action::Detach, Some(known)) if known == address => self.tell(Action::Detach, name, address),
            (Action::Detach, _) => {}
        }
    }

    fn tell(&mut self, action: Action, name: &str, address: Address) {
        self.told.push((action, address));
        match action {
            Action::Attach => self.attached.insert(name.to_owned(), address),
            Action::Detach => self.attached.remove(name),
        };
    }

    fn look(&mut self, when: When) {
        let settled = self.settled.clone();
        self.spool.retain(|seqnum, _| !settled.contains(*seqnum));
        let missed: Vec<Record> = self.spool.values().cloned().collect();
        let present = self.present.clone();
        let there = |name: &str| present.get(name).copied();
        let facts = Facts { boot_id: "b", attached: self.attached.clone(), present: &there };
        let fates = plan(&missed, when, &mut self.claims, facts);
        for (record, fate) in missed.iter().zip(fates) {
            if fate == Fate::Tell {
                self.hear(record.action, record.name(), record.address);
            }
            if fate != Fate::Wait {
                self.settled.insert(record.seqnum, record.seqnum);
            }
        }
    }

    fn snapshot(&mut self) {
        let attached: Vec<_> = self.attached.clone().into_iter().collect();
        for (name, address) in attached {
            if self.present.get(&name) != Some(&address) {
                self.tell(Action::Detach, &name, address);
            }
        }
        let present: Vec<_> = self.present.clone().into_iter().collect();
        for (name, address) in present {
            if !self.attached.contains_key(&name) {
                self.claims.add(&name, address, 0);
                self.tell(Action::Attach, &name, address);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Turn(port) => self.turn(*port),
            Step::Write(count) => {
                let count = (*count).min(self.unwritten.len());
                for record in self.unwritten.drain(..count) {
                    self.spool.insert(record.seqnum, record);
                }
            }
            Step::Look if self.runs => self.look(When::Later),
            Step::Look => {}
            Step::Switch if self.runs => self.runs = false,
            Step::Switch => {
                self.runs = true;
                self.loses = 0;
                self.look(When::BeforeFirst { continues: true });
                self.snapshot();
            }
            Step::Lose(count) => self.loses = *count,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_transition_is_told_once_in_every_interleaving(steps in proptest::collection::vec(step(), 0..80)) {
        let mut machine = Machine::default();
        for step in &steps {
            machine.step(step);
        }
        let mut told = HashSet::new();
        for (action, address) in &machine.told {
            prop_assert!(told.insert((*action, *address)), "{action:?} of {address:?} twice: {:?}", machine.told);
            let has_come = *action == Action::Attach || told.contains(&(Action::Attach, *address));
            prop_assert!(has_come, "{address:?} leaves without having come: {:?}", machine.told);
        }
    }

    #[test]
    fn where_udev_writes_in_time_each_step_of_what_was_missed_is_told(ports in proptest::collection::vec(0..3_u8, 0..40)) {
        let mut machine = Machine::default();
        machine.step(&Step::Switch);
        machine.step(&Step::Switch);
        for port in &ports {
            machine.turn(*port);
        }
        machine.step(&Step::Write(usize::MAX));
        machine.step(&Step::Switch);
        prop_assert_eq!(machine.told.len(), ports.len());
        machine.step(&Step::Look);
        prop_assert!(machine.spool.is_empty());
    }
}
