//! What uevents have not told and the helper of udev has written down. `spool` has the rules; here they are carried out.

mod looking;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::clock;
use crate::event::Synthetic;
use crate::spool::plan::When;
use crate::spool::{Claims, Record, Settled, SettledBoard, Spool};

/// How soon after a record has come the folder is looked at: several come together.
const SOON: Duration = Duration::from_millis(20);
/// How soon records are looked at again that cannot be removed yet; then twice as long, up to the reconcile period.
const AGAIN: Duration = Duration::from_millis(100);
/// How long an attach waits for what shows that it can be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where records come from.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// The folder.
    pub spool: Spool,
    /// The kernel's run; empty where it is not known.
    pub boot_id: String,
}

/// How a record waits for what shows what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Begins,
    Still,
    InVain,
}

/// What is known of uevents by their numbers.
pub(super) struct Missed {
    config: Option<SpoolConfig>,
    stored: SettledBoard,
    /// Heard, told, or found to be no news.
    known: Settled,
    /// The last one heard. Everything since the one before has been heard as well.
    through: Option<u64>,
    /// Messages were lost, and what the socket held then is still being read: the kernel tells of a loss before it hands over
    /// what came before that, and goes on losing, without a word, until the socket is empty.
    is_losing: bool,
    has_heard: bool,
    /// The last number that had been given when the socket was open.
    horizon: Option<u64>,
    began_ms: u64,
    claims: Claims,
    waiting: HashMap<u64, Instant>,
    remembered: HashSet<String>,
    due: Option<Instant>,
    again: Duration,
}

impl Missed {
    pub(super) fn new(
        config: Option<SpoolConfig>,
        (known, claims): (Settled, Claims),
        stored: SettledBoard,
    ) -> Self {
        Self {
            config,
            stored,
            known,
            through: None,
            is_losing: false,
            has_heard: false,
            horizon: None,
            began_ms: clock::now_ms(),
            claims,
            waiting: HashMap::new(),
            remembered: HashSet::new(),
            due: None,
            again: AGAIN,
        }
    }

    /// The uevent socket is open: what has a higher number than this will be heard.
    pub(super) fn opened(&mut self, last: Option<u64>) {
        self.horizon = last;
        self.through = None;
        self.is_losing = false;
    }

    /// A uevent has been heard. Gives the range before it in which there was nothing of interest.
    pub(super) fn hear(&mut self, number: u64) -> (u64, u64) {
        self.has_heard = true;
        let after = self.through.take().filter(|through| *through < number);
        self.through = (!self.is_losing).then_some(number);
        let (first, last) = after.map_or((1, 0), |through| (through + 1, number - 1));
        self.known.insert(first, last);
        self.known.insert(number, number);
        (first, last)
    }

    /// Some may have been lost.
    pub(super) fn lose(&mut self) {
        self.through = None;
        self.is_losing = true;
    }

    /// Nothing waits in the socket: from here on it loses nothing, or says so.
    pub(super) fn emptied(&mut self) {
        self.is_losing = false;
    }

    /// A snapshot has told of an instance whose record may still come.
    pub(super) fn claim(&mut self, name: &str, address: crate::device::Address) {
        if self.config.is_some() {
            self.claims.add(name, address, clock::now_ms());
        }
    }

    /// Records have come.
    pub(super) fn look_soon(&mut self) {
        let soon = Instant::now() + SOON;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// When the folder is to be looked at, unless a snapshot comes before that.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Records are left: once for each look.
    fn look_again(&mut self) {
        if self.due.is_none() {
            self.due = Some(Instant::now() + self.again);
            self.again = (self.again * 2).min(PATIENCE);
        }
    }

    /// How this record, which says too little by itself, is waited for.
    fn wait_for(&mut self, number: u64, now: Instant) -> Waits {
        let Some(since) = self.waiting.get(&number) else {
            self.waiting.insert(number, now);
            return Waits::Begins;
        };
        if now.duration_since(*since) < PATIENCE { Waits::Still } else { Waits::InVain }
    }

    /// Why this one has been missed.
    fn synthetic(&self, record: &Record, when: When, deaf: bool) -> Option<Synthetic> {
        let before = match self.horizon {
            Some(horizon) => record.seqnum <= horizon,
            None => record.timestamp_ms < self.began_ms,
        };
        match when {
            When::Alone => None,
            When::BeforeFirst { .. } => Some(Synthetic::MissedWhileDown),
            When::Later if before => Some(Synthetic::MissedWhileDown),
            // It was to be heard. Where none is, the helper is who tells.
            When::Later if deaf || !self.has_heard => None,
            When::Later => Some(Synthetic::Gap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missed() -> Missed {
        Missed::new(None, (Settled::default(), Claims::default()), SettledBoard::default())
    }

    #[test]
    fn what_was_lost_is_not_taken_to_be_heard_because_of_what_waited_in_the_socket() {
        let mut missed = missed();
        missed.hear(10);
        assert_eq!(missed.hear(12), (11, 11), "nothing was lost between the two");
        missed.lose();
        // 13 and 14 had come before the loss. 20 came once these had been read, and before the socket was found empty.
        for number in [13, 14, 20] {
            let (first, last) = missed.hear(number);
            assert!(first > last, "{number} says nothing about those before it");
        }
        missed.emptied();
        let (first, last) = missed.hear(30);
        assert!(first > last, "nor does the first one after that");
        assert_eq!(missed.hear(33), (31, 32));
        assert_eq!(missed.known.to_string(), "10-14,20,30-33");
    }

    #[test]
    fn records_that_come_are_looked_at_soon_however_long_others_are_left_alone() {
        let mut missed = missed();
        missed.again = PATIENCE;
        missed.look_again();
        let far = missed.due().expect("a time");
        missed.look_soon();
        assert!(missed.due().expect("a time") < far);
        let soon = missed.due();
        missed.look_soon();
        assert_eq!(missed.due(), soon, "those that follow do not put it off");
    }

    #[test]
    fn a_look_that_leaves_many_records_backs_off_once() {
        let mut missed = missed();
        for _ in 0..100 {
            missed.look_again();
        }
        assert_eq!(missed.again, AGAIN * 2);
    }

    #[test]
    fn a_record_that_waits_begins_to_wait_once_and_not_for_ever() {
        let (mut missed, now) = (missed(), Instant::now());
        let waits =
            [Duration::ZERO, Duration::ZERO, AGAIN, PATIENCE].map(|after| missed.wait_for(7, now + after));
        assert_eq!(waits, [Waits::Begins, Waits::Still, Waits::Still, Waits::InVain]);
    }
}
