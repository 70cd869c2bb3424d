//! What a subscriber has no room for: read from the store later, or told in sum.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::clock;
use crate::event::{Action, Event, Synthetic};
use crate::notice::{Gap, GapCause, Notice};

/// Everything that has come since the queue was full.
#[derive(Default)]
pub(super) struct Overflow {
    has_store: bool,
    /// Where the store is read; set with the first transition.
    reading: Option<Reading>,
    /// Transitions that have been withheld and not been read since.
    withheld: u64,
    /// How many came before each of those that are `owed`.
    came: u64,
    /// By attachment, what makes the subscriber's set right where the store is not read: in the order in which they came.
    owed: BTreeMap<u64, (u64, Arc<Event>)>,
    /// By attachment, what the subscriber has been told of from the store, and which has ended since.
    ended: BTreeMap<u64, Arc<Event>>,
    /// The latest word on each source, on Redis and of each error.
    latest: BTreeMap<String, Notice>,
    /// Answers to reports: after what they have brought.
    answers: Vec<Notice>,
    /// How far each attachment is that has not ended meanwhile.
    ready: BTreeMap<u64, Notice>,
    /// What was done last for each device's want of a driver, by its signature, unless it has left meanwhile.
    drivers: BTreeMap<String, Notice>,
    /// What is owed comes before it.
    started: bool,
    /// Nothing may follow it.
    stopped: bool,
}

/// A stretch of one series in the store.
struct Reading {
    producer: Arc<str>,
    /// Number of the last one that has been read.
    after: u64,
    /// Number of the last one that has been withheld.
    last: u64,
    asked: bool,
    /// It does not have them all.
    failed: bool,
}

/// What comes next.
pub(super) enum Progress {
    /// A question to the store: what comes after this number.
    Ask(u64),
    /// Its answer.
    Asked,
    /// The end.
    Settle,
}

impl Overflow {
    pub(super) fn new(has_store: bool) -> Self {
        Self { has_store, ..Self::default() }
    }

    /// How many transitions wait to be read or summed up.
    pub(super) fn withheld(&self) -> u64 {
        self.withheld
    }

    /// Whether the store has been asked and has not answered.
    pub(super) fn is_asking(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.asked)
    }

    /// Whether the store has given all, or can give no more.
    pub(super) fn is_over(&self) -> bool {
        self.reading.as_ref().is_none_or(|reading| reading.failed || reading.after == reading.last)
    }

    pub(super) fn progress(&mut self) -> Progress {
        match &mut self.reading {
            Some(reading) if reading.asked => Progress::Asked,
            Some(reading) if !reading.failed && reading.after < reading.last => {
                reading.asked = true;
                Progress::Ask(reading.after)
            }
            _ => Progress::Settle,
        }
    }

    /// Keeps no more of a transition than makes the set right.
    pub(super) fn withhold(&mut self, event: Arc<Event>, told: &HashSet<u64>) {
        if self.has_store && self.reading.is_none() {
            let (producer, after) = (Arc::clone(&event.producer), event.seq - 1);
            self.reading = Some(Reading { producer, after, last: after, asked: false, failed: false });
        }
        if let Some(reading) = &mut self.reading {
            if event.producer == reading.producer && event.seq == reading.last + 1 {
                reading.last = event.seq;
            } else {
                // The outbox has begun another series: what is in between has other numbers there.
                reading.failed = true;
            }
        }
        self.withheld += 1;
        self.came += 1;
        let attachment = event.attachment.instance;
        if event.action == Action::Detach {
            self.ready.remove(&attachment);
            self.drivers.remove(&event.attachment.signature);
        }
        let is_told = told.contains(&attachment);
        if event.action == Action::Detach && !is_told && !event.ends_earlier_attachment() {
            self.owed.remove(&attachment);
        } else {
            self.owed.insert(attachment, (self.came, event));
        }
    }

    /// Keeps another notice until all that came before it has been told.
    pub(super) fn put_off(&mut self, notice: Notice) {
        match &notice {
            Notice::Started => self.started = true,
            Notice::Stopped => self.stopped = true,
            Notice::Source(status) => {
                self.latest.insert(format!("source {}", status.source), notice);
            }
            Notice::Redis(_) => {
                self.latest.insert("redis".to_owned(), notice);
            }
            Notice::Error { error, .. } => {
                self.latest.insert(format!("error {}", error.code.as_str()), notice);
            }
            Notice::Injected { .. } => self.answers.push(notice),
            Notice::Ready { event, .. } => {
                self.ready.insert(event.attachment.instance, notice);
            }
            Notice::Driver(report) => {
                self.drivers.insert(report.signature.clone(), notice);
            }
            Notice::Transition(_) | Notice::Stayed(_) | Notice::Gap(_) | Notice::Published { .. } => {}
        }
    }

    /// Takes the store's answer, and gives what of it comes next. One without that ends the reading.
    pub(super) fn receive(&mut self, page: &[Arc<Event>]) -> Vec<Arc<Event>> {
        let Some(reading) = &mut self.reading else { return Vec::new() };
        reading.asked = false;
        let mut given = Vec::new();
        for event in page {
            if event.producer != reading.producer || event.seq != reading.after + 1 {
                break;
            }
            reading.after = event.seq;
            self.withheld -= 1;
            let attachment = event.attachment.instance;
            let was_owed = self.owed.get(&attachment).is_some_and(|(_, owed)| owed.seq == event.seq);
            match event.action {
                Action::Attach if !was_owed => {
                    self.ended.insert(attachment, Arc::clone(event));
                }
                Action::Attach => {}
                Action::Detach => {
                    self.ended.remove(&attachment);
                }
            }
            if was_owed {
                self.owed.remove(&attachment);
            }
            given.push(Arc::clone(event));
        }
        reading.failed |= given.is_empty();
        given
    }

    /// What is told instead of what is still withheld.
    pub(super) fn settle(self) -> Vec<Notice> {
        let mut owed: Vec<_> = self.owed.into_values().collect();
        owed.sort_unstable_by_key(|(came, _)| *came);
        let owed: Vec<_> = owed.into_iter().map(|(_, event)| event).collect();
        let stand_ins = stand_ins(&self.ended, self.reading.as_ref(), &owed);
        let lost = self.withheld - (owed.len() + stand_ins.len()) as u64;
        let gap = (lost > 0 || !stand_ins.is_empty()).then(|| {
            Notice::Gap(Gap {
                source: "delivery",
                cause: GapCause::QueueFull,
                lost: Some(lost),
                timestamp: clock::now_ms(),
                synthesized: stand_ins.len() as u64,
            })
        });
        let transitions = stand_ins.into_iter().chain(owed).map(Notice::Transition);
        gap.into_iter()
            .chain(transitions)
            .chain(self.drivers.into_values())
            .chain(self.ready.into_values())
            .chain(self.answers)
            .chain(self.latest.into_values())
            .chain(self.started.then_some(Notice::Started))
            .chain(self.stopped.then_some(Notice::Stopped))
            .collect()
    }
}

/// Detaches of attachments whose own have been lost: each with a number among those that nobody is told of.
fn stand_ins(
    ended: &BTreeMap<u64, Arc<Event>>,
    reading: Option<&Reading>,
    owed: &[Arc<Event>],
) -> Vec<Arc<Event>> {
    let Some(reading) = reading else { return Vec::new() };
    let taken: BTreeSet<u64> =
        owed.iter().filter(|event| event.producer == reading.producer).map(|event| event.seq).collect();
    let free = (reading.after + 1..).filter(|seq| !taken.contains(seq));
    let timestamp_ms = clock::now_ms();
    ended
        .values()
        .zip(free)
        .map(|(attach, seq)| {
            let detach = Event {
                seq,
                action: Action::Detach,
                timestamp_ms,
                synthetic: Some(Synthetic::Gap),
                ..(**attach).clone()
            };
            Arc::new(detach)
        })
        .collect()
}
