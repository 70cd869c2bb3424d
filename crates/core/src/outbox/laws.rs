//! The outbox's laws, over everything that may happen to it: what waits, waits in order and outlives the process; the
//! accounts hold at every step; what is kept is the end of what there was.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::event::Action;
use crate::test_support::event;

#[derive(Clone, Debug)]
enum Step {
    /// So many events come in, in one go; so many more find the intake full.
    Append(u64, u64),
    /// A batch of up to so many is published.
    Publish(usize),
    /// The server has lost the last so many events.
    Rewind(u64),
    /// Nothing happens for a while.
    Idle,
    /// The process ends as if it was killed, and another one opens the file.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop_oneof![5 => 1..9_u64, 1 => 9..40_u64], prop_oneof![3 => Just(0_u64), 1 => 1..3_u64]).prop_map(|(count, refused)| Step::Append(count, refused)),
        4 => (1..9_usize).prop_map(Step::Publish),
        1 => (1..9_u64).prop_map(Step::Rewind),
        1 => Just(Step::Idle),
        2 => Just(Step::Reopen),
    ]
}

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("usb-daemon-outbox-{:016x}", getrandom::u64().expect("a random number"));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("outbox.db")
    }

    /// Has SQLite do something to the file, beside the outbox.
    pub(super) fn by_hand(&self, statements: &str) {
        rusqlite::Connection::open(self.file())
            .and_then(|database| database.execute_batch(statements))
            .expect("done by hand");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What an outbox ought to be.
#[derive(Debug, Default)]
struct Model {
    /// Numbers of all events that got a place, in order.
    placed: Vec<u64>,
    waiting: VecDeque<u64>,
    /// Published and still kept, as far as a server that forgets may have them again.
    published: VecDeque<u64>,
    last_seq: u64,
    dropped: u64,
    has_dropped: bool,
    /// The last number that is no longer kept.
    forgotten: u64,
    attached: BTreeMap<String, u64>,
    /// What waited, and what was published and kept, at the last commit: of what was published since nobody but Redis would know.
    stored: (VecDeque<u64>, VecDeque<u64>),
    /// Nothing has been published since the file was opened: what could be forgotten is when something is.
    is_fresh: bool,
}

impl Model {
    fn note_commit(&mut self) {
        self.stored = (self.waiting.clone(), self.published.clone());
    }
}

struct Run {
    config: OutboxConfig,
    outbox: Option<Outbox>,
    model: Model,
}

impl Run {
    fn new(config: OutboxConfig) -> Self {
        let outbox = Outbox::open(&config, true, "test", "boot").expect("an outbox").outbox;
        Self { config, outbox: Some(outbox), model: Model::default() }
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.outbox.as_mut().expect("open")
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Append(count, refused) => self.append(count, refused),
            Step::Publish(limit) => self.publish(limit),
            Step::Rewind(count) => self.rewind(count),
            Step::Idle => self.idle(),
            Step::Reopen => self.reopen(),
        }
    }

    fn append(&mut self, count: u64, refused: u64) {
        let mut incoming = Vec::new();
        self.model.dropped += refused;
        for _ in 0..count {
            self.model.last_seq += 1;
            let seq = self.model.last_seq;
            let key = format!("port-{}", seq % 5);
            let action =
                if self.model.attached.remove(&key).is_some() { Action::Detach } else { Action::Attach };
            if action == Action::Attach {
                self.model.attached.insert(key.clone(), seq);
            }
            incoming.push(Incoming { key, event: event(seq, action, seq), settles: None });
            if self.model.waiting.len() < self.config.max_events {
                self.model.waiting.push_back(seq);
                self.model.placed.push(seq);
            } else if self.config.when_full == WhenFull::DropOldest {
                self.model.waiting.pop_front();
                self.model.waiting.push_back(seq);
                self.model.placed.push(seq);
                self.model.dropped += 1;
            } else {
                self.model.dropped += 1;
            }
        }
        self.model.has_dropped |= self.model.dropped > 0;
        let last_seq = self.model.last_seq;
        self.outbox().append(Taken { events: incoming.into(), refused, last_seq, ..Taken::default() });
        self.model.note_commit();
    }

    fn publish(&mut self, limit: usize) {
        let batch = self.outbox().batch(limit);
        let expected: Vec<u64> = self.model.waiting.iter().take(limit).copied().collect();
        assert_eq!(seqs(&batch), expected, "a batch is the first of those that wait");
        self.model.published.extend(self.model.waiting.drain(..batch.len()));
        self.outbox().acknowledge(&batch);
        self.model.is_fresh &= batch.is_empty();
        let kept = usize::try_from(self.config.retained()).expect("small");
        if let Some(at) = self.model.published.len().checked_sub(kept + 1) {
            self.model.forgotten = self.model.forgotten.max(self.model.published[at]);
        }
    }

    /// A server can only have lost what it had, and the outbox gives again what it has kept without a break.
    fn rewind(&mut self, count: u64) {
        let Some(last) = self.model.published.back().copied() else { return };
        let Some(seq) = last.checked_sub(count) else { return };
        // What was dropped is kept like what was published, and would come again too.
        if self.model.has_dropped || seq < self.model.forgotten {
            return;
        }
        let again = self.outbox().rewind(seq);
        let place = self.model.placed.iter().position(|placed| *placed > seq).expect("it is kept");
        let first_waiting = self.model.placed.len() - self.model.waiting.len();
        assert_eq!(again, (first_waiting - place) as u64, "everything after it waits again");
        self.model.waiting = self.model.placed[place..].iter().copied().collect();
        while self.model.published.back().is_some_and(|published| *published > seq) {
            self.model.published.pop_back();
        }
        self.model.note_commit();
    }

    fn reopen(&mut self) {
        if self.config.file().is_none() {
            return;
        }
        // As after kill -9: nothing is said to the file at its end.
        (self.model.waiting, self.model.published) = self.model.stored.clone();
        drop(self.outbox.take());
        let Opened { outbox, mut earlier, fault } =
            Outbox::open(&self.config, true, "other", "boot").expect("the same file");
        assert_eq!(fault, None);
        assert_eq!(outbox.series(), Series { producer: "test".into(), last_seq: self.model.last_seq });
        for (key, seq) in &self.model.attached {
            let found = earlier.take(key).map(|attachment| attachment.attach.seq);
            assert_eq!(found, Some(*seq), "what was attached is known");
        }
        assert!(earlier.is_settled(), "and nothing else is");
        let accounts = outbox.board().get().accounts;
        let waiting = self.model.waiting.len() as u64;
        assert_eq!(accounts, Accounts { carried_over: waiting, waiting, ..Accounts::default() });
        self.model.dropped = 0;
        self.model.is_fresh = true;
        self.outbox = Some(outbox);
    }

    fn idle(&mut self) {
        self.outbox().save_all();
        self.model.note_commit();
        let Some(path) = self.config.file() else { return };
        let kept = History::open(path, Since::Beginning).and_then(|mut history| history.read(usize::MAX));
        let bound = self.config.retained() + self.model.waiting.len() as u64;
        let is_bounded = kept.expect("a history").len() as u64 <= bound;
        assert!(is_bounded || self.model.is_fresh, "what is kept is bounded");
    }

    fn check(&mut self) {
        let accounts = self.outbox().board().get().accounts;
        let Accounts { carried_over, seen, published, filtered, waiting, dropped } = accounts;
        assert_eq!(carried_over + seen, published + filtered + waiting + dropped, "{accounts:?}");
        assert_eq!((waiting, dropped), (self.model.waiting.len() as u64, self.model.dropped));
        let all = self.outbox().batch(usize::MAX);
        assert_eq!(seqs(&all), Vec::from(self.model.waiting.clone()), "what waits is there");
        let Some(path) = self.config.file().map(Path::to_owned) else { return };
        let kept = History::open(&path, Since::Beginning).and_then(|mut history| history.read(usize::MAX));
        let kept = seqs(&kept.expect("a history"));
        let end = self.model.placed.len() - kept.len();
        assert_eq!(kept, self.model.placed[end..], "the history is the end of what there was");
        assert!(kept.ends_with(&seqs(&all)), "what waits among it");
    }
}

pub(super) fn seqs(events: &[Placed]) -> Vec<u64> {
    events.iter().map(|placed| placed.event.seq).collect()
}

pub(crate) fn config(path: PathBuf) -> OutboxConfig {
    OutboxConfig { path: Some(path), ..OutboxConfig::default() }
}

/// Events with these numbers, as the intake gives them.
pub(super) fn taken(seqs: std::ops::RangeInclusive<u64>) -> Taken {
    let last_seq = *seqs.end();
    let incoming =
        |seq: u64| Incoming { key: seq.to_string(), event: event(seq, Action::Attach, seq), settles: None };
    Taken { events: seqs.map(incoming).collect(), last_seq, ..Taken::default() }
}

/// Events with these numbers come in, each by itself.
pub(super) fn append_singly(outbox: &mut Outbox, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        outbox.append(taken(seq..=seq));
    }
}

/// Makes of a file what it was before there was a journal.
pub(super) const WITHOUT_JOURNAL: &str = "
ALTER TABLE event DROP COLUMN key; ALTER TABLE event DROP COLUMN last_seq;
ALTER TABLE event DROP COLUMN published_position; ALTER TABLE event DROP COLUMN published_seq;
ALTER TABLE event DROP COLUMN is_trusted; ALTER TABLE event DROP COLUMN settles; PRAGMA user_version = 5;";

/// Makes a file with so many events that wait.
pub(super) fn filled(folder: &Folder, events: u64) {
    let mut outbox = Outbox::open(&config(folder.file()), true, "test", "boot").expect("new").outbox;
    outbox.append(taken(1..=events));
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn hold(
        steps in proptest::collection::vec(step(), 1..40),
        on_disk: bool,
        max_events in 1..20_usize,
        retain in 0..30_u64,
        drop_newest: bool,
    ) {
        let folder = Folder::new();
        let when_full = if drop_newest { WhenFull::DropNewest } else { WhenFull::DropOldest };
        let path = on_disk.then(|| folder.file());
        let config = OutboxConfig { path, retain: Some(retain), max_events, when_full, ..OutboxConfig::default() };
        let mut run = Run::new(config);
        for step in &steps {
            run.take(step);
            run.check();
        }
    }
}
