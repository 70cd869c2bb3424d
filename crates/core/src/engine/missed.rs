//! What uevents have not told and the helper of udev has written down. `spool` has the rules; here they are carried out.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::Engine;
use super::announcer::{Cause, Fate as EarlierFate, Key};
use crate::clock::{self, Moment};
use crate::error::{Code, Error};
use crate::event::{Backend, Synthetic};
use crate::notice::{Notice, SourceState};
use crate::onlooker::Fact;
use crate::platform::bus::Description;
use crate::registry::Transition;
use crate::source::name;
use crate::spool::plan::{Facts, Fate, When, Why, plan};
use crate::spool::{Bad, Claims, Listing, Record, Settled, SettledBoard, Spool, Unread};

/// How soon after a record has come the folder is looked at: several come together.
const SOON: Duration = Duration::from_millis(20);
/// How soon records are looked at again that cannot be removed yet; then twice as long, up to the reconcile period.
const AGAIN: Duration = Duration::from_millis(100);
/// How long an attach waits for what shows that it can be told.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many files that are no records are told of by name in one look.
const NAMED: usize = 10;
/// Stands among the names that are remembered for what is told of the whole folder.
const OVERFULL: &str = "/";
/// So many names are remembered, so that a file that cannot be removed is told of once.
const REMEMBERED: usize = 1000;

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

impl Engine {
    /// Tells what was missed before the first snapshot.
    pub(super) fn tell_missed_before(&mut self) {
        self.missed.opened(self.bus.last_uevent());
        // Where no snapshot is taken nothing can be left to it.
        let continues = self.announcer.earlier().continues() || !self.config.snapshot;
        self.look_at_spool(When::BeforeFirst { continues });
    }

    /// Tells what was missed, and removes what is dealt with.
    pub(super) fn look_at_spool(&mut self, when: When) {
        self.missed.due = None;
        let Some(SpoolConfig { spool, boot_id }) = self.missed.config.clone() else { return };
        self.senses.watch_spool(spool.path());
        let listing = match spool.read(|number| self.missed.known.contains(number)) {
            Ok(listing) => listing,
            Err(error) => return self.tell_no_spool(&spool, &error),
        };
        self.hub.tell_source(
            name::UDEV_HELPER,
            SourceState::Up,
            format!("records are taken from {}", spool.path().display()),
        );
        // Whatever has been written down by now was sent before that.
        self.drain();
        self.tell_bad(&spool, &listing);
        let (heard, missed): (Vec<Record>, Vec<Record>) =
            listing.records.into_iter().partition(|record| self.missed.known.contains(record.seqnum));
        if when == When::Later && !missed.is_empty() {
            self.handle_pending();
        }
        let has_missed = !missed.is_empty();
        self.take_records(missed, when, &boot_id);
        let mut done: Vec<u64> = listing.passed_over;
        done.extend(heard.iter().map(|record| record.seqnum));
        self.remove_stored(&spool, done);
        if has_missed && self.missed.due.is_none() {
            // They are removed once they are stored.
            self.missed.look_again();
        }
    }

    fn take_records(&mut self, records: Vec<Record>, when: When, boot_id: &str) {
        if records.is_empty() {
            return self.missed.waiting.clear();
        }
        if when != When::Later {
            // No attachment outlives its boot, and that is over before anything of this one.
            self.announcer.end_absent(|_| EarlierFate::Unknown, self.senses.libusb_is_alive());
        }
        let earlier = self.announcer.earlier().addresses();
        let attached = earlier
            .chain(self.registry.addresses())
            .map(|(name, address)| (name.to_owned(), address))
            .collect();
        let bus = &self.bus;
        let facts = Facts { boot_id, attached, present: &|name| bus.address(name) };
        let fates = plan(&records, when, &mut self.missed.claims, facts);
        let now = Instant::now();
        for (record, fate) in records.into_iter().zip(fates) {
            match fate {
                Fate::Tell => {
                    // What waits in the socket has its place among the records.
                    while self.pending.front().is_some_and(|heard| heard.uevent.seqnum < record.seqnum) {
                        let Some(heard) = self.pending.pop_front() else { break };
                        self.handle_one(heard);
                    }
                    self.tell_missed(&record, when);
                }
                Fate::Settle(why) => self.settle_record(&record, why),
                Fate::Wait => match self.missed.wait_for(record.seqnum, now) {
                    // It may show the device.
                    Waits::Begins => {
                        self.schedule.snapshot_within(Duration::ZERO);
                        self.missed.look_again();
                    }
                    Waits::Still => self.missed.look_again(),
                    Waits::InVain => {
                        tracing::warn!(
                            source = name::UDEV_HELPER,
                            record = record.seqnum,
                            device = record.name(),
                            "a device came and is not there, and nothing tells when it left: not told"
                        );
                        self.settle_number(record.seqnum);
                    }
                },
            }
        }
    }

    fn tell_missed(&mut self, record: &Record, when: When) {
        self.hub.note(&Fact::Reported { source: name::UDEV_HELPER });
        if when == When::Later && self.missed.horizon.is_some_and(|horizon| record.seqnum > horizon) {
            self.registry.doubt_uevents();
        }
        let synthetic = self.missed.synthetic(record, when, self.registry.is_deaf());
        let observed = Moment { ms: record.timestamp_ms.min(clock::now_ms()), at: Instant::now() };
        let cause =
            Cause { seqnum: Some(record.seqnum), ..self.cause(Backend::UdevHelper, synthetic, observed) };
        let (name, address) = (record.name(), record.address);
        self.missed.known.insert(record.seqnum, record.seqnum);
        let verdict = self.registry.missed(record.action, name, address, synthetic, observed.at);
        if verdict.transitions.is_empty() {
            let has_left = record.action == crate::event::Action::Detach;
            let left = Cause { synthetic: Some(Synthetic::MissedWhileDown), ..cause };
            if !has_left || !self.announcer.end_left(name, address, left) {
                self.settle_number(record.seqnum);
            }
        }
        let last = verdict.transitions.len().saturating_sub(1);
        for (at, transition) in verdict.transitions.into_iter().enumerate() {
            let cause = Cause { seqnum: cause.seqnum.filter(|_| at == last), ..cause };
            match transition {
                Transition::Attach { name, address, .. } => {
                    let described = self.bus.describe_name(&name, address);
                    let described = described.unwrap_or_else(|| {
                        Description::Whole(record.device(self.bus.bus_path(&record.devpath)))
                    });
                    self.attach(name, described, cause);
                }
                Transition::Detach { name, .. } => {
                    if let Some((device, came)) = self.strings.take(&name) {
                        self.announce(name.clone(), device, came);
                    }
                    self.announcer.detach(&Key::Kernel(name), cause);
                }
            }
        }
    }

    fn settle_record(&mut self, record: &Record, why: Why) {
        let (number, device) = (record.seqnum, record.name());
        if why == Why::PortTaken {
            let message = "a record came too late to be told: there is another device by now";
            tracing::warn!(source = name::UDEV_HELPER, record = number, device, "{message}");
        } else {
            tracing::debug!(source = name::UDEV_HELPER, record = number, device, ?why, "no news");
        }
        self.settle_number(number);
    }

    fn settle_number(&mut self, number: u64) {
        self.missed.known.insert(number, number);
        self.announcer.settle(Some(number));
    }

    /// Removes records that the outbox knows to be dealt with.
    fn remove_stored(&mut self, spool: &Spool, known: Vec<u64>) {
        self.missed.waiting.retain(|number, _| !self.missed.known.contains(*number));
        let (stored, not_yet): (Vec<u64>, Vec<u64>) =
            known.into_iter().partition(|number| self.missed.stored.contains(*number));
        let removed = spool.remove(stored);
        if let Err(error) = &removed
            && self.remember(&format!("{error}"))
        {
            let path = spool.path().display();
            let message = format!(
                "records in {path} cannot be removed: {error}; the daemon's user has to be in the group of that folder"
            );
            self.tell_spool_error(message);
        }
        if not_yet.is_empty() && removed.is_ok() {
            if self.missed.waiting.is_empty() {
                self.missed.again = AGAIN;
            }
        } else {
            // What brought no event is stored only when asked for.
            self.announcer.store_settled();
            self.missed.look_again();
        }
    }

    /// Where nobody has installed a helper there is nothing to tell.
    fn tell_no_spool(&mut self, spool: &Spool, error: &std::io::Error) {
        self.senses.forget_spool();
        let is_new =
            error.kind() == std::io::ErrorKind::NotFound && !self.hub.knows_source(name::UDEV_HELPER);
        if !is_new {
            let reason = format!("{}: {error}", spool.path().display());
            self.hub.tell_source(name::UDEV_HELPER, SourceState::Unavailable, reason);
        }
    }

    fn tell_bad(&mut self, spool: &Spool, Listing { bad, unread, has_more, .. }: &Listing) {
        let new: Vec<&Bad> = bad.iter().filter(|bad| bad.removed || self.remember(&bad.name)).collect();
        let path = spool.path().display();
        for Bad { name, why, removed } in new.iter().take(NAMED) {
            let what = if *removed { "has been removed" } else { "cannot be removed, and is passed over" };
            self.tell_spool_error(format!("{path}/{name} is no record of the helper: {why}; it {what}"));
        }
        if new.len() > NAMED {
            let more = new.len() - NAMED;
            self.tell_spool_error(format!("{more} more files in {path} are no records of the helper"));
        }
        let new: Vec<&Unread> = unread.iter().filter(|unread| self.remember(&unread.name)).collect();
        for Unread { name, why } in new.iter().take(NAMED) {
            self.tell_spool_error(format!("{path}/{name} cannot be read: {why}; it is left where it is"));
        }
        if new.len() > NAMED {
            let more = new.len() - NAMED;
            self.tell_spool_error(format!("{more} more files in {path} cannot be read"));
        }
        if *has_more && self.remember(OVERFULL) {
            self.tell_spool_error(format!("{path} holds more records than one look takes in"));
        }
    }

    /// Whether this is told for the first time.
    fn remember(&mut self, name: &str) -> bool {
        if self.missed.remembered.len() >= REMEMBERED {
            self.missed.remembered.clear();
        }
        self.missed.remembered.insert(name.to_owned())
    }

    fn tell_spool_error(&self, message: String) {
        let error = Error::new(Code::Spool, message);
        tracing::error!(code = error.code.as_str(), "{error}");
        self.hub.tell(&Notice::Error { error, context: "spool" });
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
