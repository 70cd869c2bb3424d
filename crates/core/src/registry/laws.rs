//! The registry's laws, over a model of a kernel whose uevents, sysfs and libusb all lag behind one another.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::platform::Entry;

const GRACE: Duration = Duration::from_millis(250);

const NAMES: [&str; 3] = ["1-1", "1-2", "2-1"];

/// Where a port's device stands between "not there" and "gone": the kernel's own order of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Port {
    Empty,
    /// In sysfs, its `add` not yet sent.
    Linked,
    Announced,
    /// Out of sysfs, its `remove` not yet sent.
    Unlinked,
}

#[derive(Debug)]
struct Kernel {
    ports: [(Port, Address, u64); 3],
    /// Entries that sysfs keeps showing although their `remove` has been sent.
    lingering: [Option<(Address, u64)>; 3],
    uevents: VecDeque<(Change, usize, Address)>,
    libusb: Vec<Report>,
    marks: u64,
    reuse_addresses: bool,
    linger: bool,
}

impl Kernel {
    fn new(reuse_addresses: bool, linger: bool) -> Self {
        let nowhere = Address { bus: 0, device: 0 };
        Self {
            ports: [(Port::Empty, nowhere, 0); 3],
            lingering: [None; 3],
            uevents: VecDeque::new(),
            libusb: Vec::new(),
            marks: 100,
            reuse_addresses,
            linger,
        }
    }

    fn step(&mut self, at: usize) {
        let (port, address, mark) = self.ports[at];
        self.ports[at] = match port {
            Port::Empty => {
                self.marks += 1;
                self.lingering[at] = None;
                let device = if self.reuse_addresses {
                    [5, 6, 5][at]
                } else {
                    u16::try_from(self.marks).expect("few steps")
                };
                let bus = if at == 2 { 2 } else { 1 };
                (Port::Linked, Address { bus, device }, self.marks)
            }
            Port::Linked => {
                self.uevents.push_back((Change::Add, at, address));
                self.libusb.push(Report::Arrived(address));
                (Port::Announced, address, mark)
            }
            Port::Announced => {
                if self.linger {
                    self.lingering[at] = Some((address, mark));
                }
                (Port::Unlinked, address, mark)
            }
            Port::Unlinked => {
                self.uevents.push_back((Change::Remove, at, address));
                self.libusb.push(Report::Left(address));
                (Port::Empty, address, mark)
            }
        };
    }

    fn sysfs(&self, registry: &Registry) -> Vec<Entry> {
        (0..3)
            .filter_map(|at| {
                let (port, address, mark) = self.ports[at];
                let shown = match port {
                    Port::Linked | Port::Announced => Some((address, mark)),
                    Port::Empty | Port::Unlinked => self.lingering[at],
                };
                shown.map(|(address, mark)| Entry {
                    name: NAMES[at].to_owned(),
                    mark,
                    address: (!registry.knows(NAMES[at], mark)).then_some(address),
                })
            })
            .collect()
    }

    fn present(&self) -> HashSet<(&'static str, Address)> {
        (0..3)
            .filter(|&at| self.ports[at].0 == Port::Announced)
            .map(|at| (NAMES[at], self.ports[at].1))
            .collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Kernel(usize),
    Handle,
    Libusb(usize),
    /// A snapshot while which the kernel goes on, before it is listed and after.
    Snapshot(Vec<usize>, Vec<usize>),
    Wait(u64),
    /// The socket overflows: so many of the waiting uevents are lost. The kernel goes on while that is mended.
    Overflow(usize, Vec<usize>, Vec<usize>),
}

fn steps(gaps: bool) -> impl Strategy<Value = Vec<Step>> {
    let overflow = u32::from(gaps);
    let step = prop_oneof![
        8 => (0..3_usize).prop_map(Step::Kernel),
        4 => Just(Step::Handle),
        2 => (0..8_usize).prop_map(Step::Libusb),
        2 => (ports(), ports()).prop_map(|(before, after)| Step::Snapshot(before, after)),
        2 => (0..400_u64).prop_map(Step::Wait),
        overflow => (1..4_usize, ports(), ports())
            .prop_map(|(lost, before, after)| Step::Overflow(lost, before, after)),
    ];
    proptest::collection::vec(step, 0..120)
}

fn ports() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..3_usize, 0..6)
}

/// The engine's part, without its threads.
struct Run {
    kernel: Kernel,
    registry: Registry,
    now: Instant,
    output: Vec<Transition>,
    /// What the kernel announced, in order, by port.
    truth: Vec<(Change, usize, Address)>,
    gaps: usize,
}

impl Run {
    fn new(kernel: Kernel) -> Self {
        let mut run = Self {
            kernel,
            registry: Registry::new(GRACE),
            now: Instant::now(),
            output: Vec::new(),
            truth: Vec::new(),
            gaps: 0,
        };
        run.snapshot(&[], &[]);
        run
    }

    fn kernel(&mut self, at: usize) {
        let before = self.kernel.uevents.len();
        self.kernel.step(at);
        self.truth.extend(self.kernel.uevents.iter().skip(before));
    }

    fn handle(&mut self) -> bool {
        let Some((change, at, address)) = self.kernel.uevents.pop_front() else { return false };
        let verdict = self.registry.uevent(change, NAMES[at], address, self.now);
        self.output.extend(verdict.transitions);
        true
    }

    fn snapshot(&mut self, before: &[usize], after: &[usize]) {
        while self.handle() {}
        for &at in before {
            self.kernel(at);
        }
        let scan = self.kernel.sysfs(&self.registry);
        for &at in after {
            self.kernel(at);
        }
        let touched = self.kernel.uevents.iter().map(|(_, at, _)| NAMES[*at]).collect();
        let verdict = self.registry.snapshot(&scan, &touched, self.now);
        self.output.extend(verdict.transitions);
        self.gaps += usize::from(verdict.gap.is_some());
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Kernel(at) => self.kernel(*at),
            Step::Handle => {
                self.handle();
            }
            Step::Libusb(at) => {
                if !self.kernel.libusb.is_empty() {
                    let at = at % self.kernel.libusb.len();
                    let report = self.kernel.libusb.swap_remove(at);
                    if self.registry.libusb(report) == Some(Duration::ZERO) {
                        self.snapshot(&[], &[]);
                    }
                }
            }
            Step::Snapshot(before, after) => self.snapshot(before, after),
            Step::Wait(ms) => self.now += Duration::from_millis(*ms),
            Step::Overflow(lost, before, after) => {
                for _ in 0..*lost {
                    self.kernel.uevents.pop_back();
                }
                while self.handle() {}
                self.registry.note_gap();
                self.snapshot(before, after);
            }
        }
    }

    /// Everything that the kernel has begun it announces.
    fn finish_kernel(&mut self) {
        for at in 0..3 {
            if matches!(self.kernel.ports[at].0, Port::Linked | Port::Unlinked) {
                self.kernel(at);
            }
        }
    }

    /// What the kernel has begun is announced, what it has sent is handled, and no doubt is left.
    fn settle(&mut self) {
        self.finish_kernel();
        self.kernel.lingering = [None; 3];
        for _ in 0..3 {
            self.snapshot(&[], &[]);
            self.now += GRACE;
        }
    }

    fn live(&self) -> HashSet<(&str, Address)> {
        let mut live = BTreeMap::new();
        for transition in &self.output {
            match transition {
                Transition::Attach { name, address, .. } => {
                    assert_eq!(live.insert(name.as_str(), *address), None, "{name} attached twice");
                }
                Transition::Detach { name, .. } => {
                    assert!(live.remove(name.as_str()).is_some(), "{name} detached twice");
                }
            }
        }
        live.into_iter().collect()
    }
}

fn story(output: &[Transition], name: &str) -> Vec<Option<Address>> {
    output
        .iter()
        .filter_map(|transition| match transition {
            Transition::Attach { name: of, address, .. } if of == name => Some(Some(*address)),
            Transition::Detach { name: of, .. } if of == name => Some(None),
            _ => None,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Without a gap, what comes out for each port is what the kernel announced, however snapshots and libusb lag,
    /// addresses come again and sysfs keeps showing what has gone.
    #[test]
    fn without_a_gap_each_instance_attaches_once_and_detaches_once(
        steps in steps(false),
        reuse in any::<bool>(),
        linger in any::<bool>(),
    ) {
        let mut run = Run::new(Kernel::new(reuse, linger));
        for step in &steps {
            run.step(step);
        }
        run.settle();
        for (at, name) in NAMES.iter().enumerate() {
            let truth: Vec<Option<Address>> = run.truth.iter()
                .filter(|(_, of, _)| *of == at)
                .map(|(change, _, address)| (*change == Change::Add).then_some(*address))
                .collect();
            prop_assert_eq!(story(&run.output, name), truth, "{}", name);
        }
    }

    /// A kernel that keeps no step waiting is never found out: whenever snapshots are taken, uevents tell all.
    #[test]
    fn a_prompt_kernel_leaves_nothing_to_reconciliation(
        steps in steps(false),
        reuse in any::<bool>(),
        linger in any::<bool>(),
    ) {
        let mut run = Run::new(Kernel::new(reuse, linger));
        for step in &steps {
            if matches!(step, Step::Wait(_)) {
                run.finish_kernel();
                while run.handle() {}
            }
            run.step(step);
        }
        run.settle();
        prop_assert_eq!(run.gaps, 0);
        prop_assert!(run.output.iter().all(|transition| matches!(
            transition,
            Transition::Attach { backend: Backend::Netlink, synthetic: None, .. }
                | Transition::Detach { backend: Backend::Netlink, synthetic: None, .. }
        )), "{:?}", run.output);
    }

    /// With gaps, attach and detach still alternate, nothing is made up, and the set ends right.
    #[test]
    fn after_gaps_the_connected_set_is_the_kernels(
        steps in steps(true),
        reuse in any::<bool>(),
        linger in any::<bool>(),
    ) {
        let mut run = Run::new(Kernel::new(reuse, linger));
        for step in &steps {
            run.step(step);
        }
        run.settle();
        let present = run.kernel.present();
        prop_assert_eq!(run.live(), present);
    }

    /// Where no uevent ever comes, snapshots alone find the right set.
    #[test]
    fn without_uevents_the_snapshot_finds_the_set(steps in steps(false), deaf_from_start in any::<bool>()) {
        let mut run = Run::new(Kernel::new(false, false));
        if deaf_from_start {
            run.registry.set_uevents_open(false);
        }
        for step in &steps {
            run.step(step);
            run.kernel.uevents.clear();
        }
        run.finish_kernel();
        run.kernel.uevents.clear();
        for _ in 0..3 {
            run.snapshot(&[], &[]);
            run.now += GRACE;
        }
        let present = run.kernel.present();
        prop_assert_eq!(run.live(), present);
    }
}

#[test]
fn after_a_gap_one_snapshot_decides() {
    let mut registry = Registry::new(GRACE);
    let now = Instant::now();
    registry.snapshot(&[], &HashSet::new(), now);
    registry.uevent(Change::Add, "1-1", Address { bus: 1, device: 2 }, now);
    registry.note_gap();
    let scan = [Entry { name: "1-2".into(), mark: 7, address: Some(Address { bus: 1, device: 3 }) }];
    let verdict = registry.snapshot(&scan, &HashSet::new(), now);
    let (backend, synthetic) = (Backend::Snapshot, Some(Synthetic::Gap));
    let address = Address { bus: 1, device: 3 };
    assert_eq!(
        verdict.transitions,
        [
            Transition::Detach { name: "1-1".into(), backend, synthetic },
            Transition::Attach { name: "1-2".into(), address, backend, synthetic },
        ]
    );
    assert!(!registry.is_deaf());
}

#[test]
fn after_a_gap_a_successor_with_the_same_address_is_another_device() {
    let mut registry = Registry::new(GRACE);
    let now = Instant::now();
    let seen = |mark| [Entry { name: "1-1".into(), mark, address: Some(Address { bus: 1, device: 2 }) }];
    registry.snapshot(&seen(7), &HashSet::new(), now);
    registry.note_gap();
    assert!(registry.snapshot(&seen(7), &HashSet::new(), now).transitions.is_empty());
    registry.note_gap();
    assert_eq!(
        registry.snapshot(&seen(8), &HashSet::new(), now).transitions.len(),
        2,
        "a detach and an attach"
    );
}

#[test]
fn all_ends_come_before_any_begin_and_children_go_before_their_hub() {
    let mut registry = Registry::new(GRACE);
    let now = Instant::now();
    let at = |device| Address { bus: 1, device };
    let entry = |name: &str, mark, device| Entry { name: name.into(), mark, address: Some(at(device)) };
    let first = [entry("1-1", 1, 5), entry("1-2", 2, 6), entry("1-3", 3, 7), entry("1-3.1", 4, 8)];
    registry.snapshot(&first, &HashSet::new(), now);
    registry.note_gap();
    let swapped = [entry("1-1", 11, 6), entry("1-2", 12, 5)];
    let verdict = registry.snapshot(&swapped, &HashSet::new(), now);
    let told: Vec<String> = verdict
        .transitions
        .iter()
        .map(|transition| match transition {
            Transition::Attach { name, address, .. } => format!("attach {name}@{}", address.device),
            Transition::Detach { name, .. } => format!("detach {name}"),
        })
        .collect();
    let expected = ["detach 1-3.1", "detach 1-3", "detach 1-2", "detach 1-1", "attach 1-1@6", "attach 1-2@5"];
    assert_eq!(told, expected);
}

#[test]
fn a_snapshot_has_no_say_about_a_device_whose_uevent_waits() {
    let mut registry = Registry::new(GRACE);
    let now = Instant::now();
    registry.snapshot(&[], &HashSet::new(), now);
    registry.uevent(Change::Add, "1-1", Address { bus: 1, device: 2 }, now);
    registry.note_gap();
    assert!(registry.snapshot(&[], &HashSet::from(["1-1"]), now).transitions.is_empty());
}

#[test]
fn a_device_that_no_uevent_tells_of_proves_deafness_only_after_the_grace() {
    let mut registry = Registry::new(GRACE);
    let mut now = Instant::now();
    assert_eq!(registry.snapshot(&[], &HashSet::new(), now), Verdict::default());
    let scan = [Entry { name: "1-1".into(), mark: 7, address: Some(Address { bus: 1, device: 2 }) }];
    let first = registry.snapshot(&scan, &HashSet::new(), now);
    assert_eq!((first.transitions.len(), first.rescan, first.gap), (0, Some(GRACE), None));
    now += GRACE;
    let second = registry.snapshot(&scan, &HashSet::new(), now);
    assert_eq!((second.transitions.len(), second.gap), (1, Some(GapCause::Unheard)));
    assert!(registry.is_deaf());
    registry.uevent(Change::Remove, "1-1", Address { bus: 1, device: 2 }, now);
    assert!(!registry.is_deaf(), "a uevent that is heard ends the deafness");
}
