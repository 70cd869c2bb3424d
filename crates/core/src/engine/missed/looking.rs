//! The engine looks at the helper's folder: what has been missed is told, what is dealt with is removed.

use std::time::{Duration, Instant};

use super::super::Engine;
use super::super::announcer::{Cause, Fate as EarlierFate, Key};
use super::{AGAIN, SpoolConfig, Waits};
use crate::clock::{self, Moment};
use crate::error::{Code, Error};
use crate::event::{Backend, Synthetic};
use crate::notice::{Notice, SourceState};
use crate::onlooker::Fact;
use crate::platform::bus::Description;
use crate::registry::Transition;
use crate::source::name;
use crate::spool::plan::{Facts, Fate, When, Why, plan};
use crate::spool::{Bad, Listing, Record, Spool, Unread};

/// So many files that are no records are told of by name in one look.
const NAMED: usize = 10;
/// Stands among the names that are remembered for what is told of the whole folder.
const OVERFULL: &str = "/";
/// So many names are remembered, so that a file that cannot be removed is told of once.
const REMEMBERED: usize = 1000;

impl Engine {
    /// Tells what was missed before the first snapshot.
    pub(in crate::engine) async fn tell_missed_before(&mut self) {
        self.missed.opened(self.bus.last_uevent());
        // Where no snapshot is taken nothing can be left to it.
        let continues = self.announcer.earlier().continues() || !self.config.snapshot;
        self.look_at_spool(When::BeforeFirst { continues }).await;
    }

    /// Tells what was missed, and removes what is dealt with.
    pub(in crate::engine) async fn look_at_spool(&mut self, when: When) {
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
        self.drain(usize::MAX);
        self.tell_bad(&spool, &listing);
        let (heard, missed): (Vec<Record>, Vec<Record>) =
            listing.records.into_iter().partition(|record| self.missed.known.contains(record.seqnum));
        if when == When::Later && !missed.is_empty() {
            self.handle_pending().await;
        }
        let has_missed = !missed.is_empty();
        self.take_records(missed, when, &boot_id).await;
        let mut done: Vec<u64> = listing.passed_over;
        done.extend(heard.iter().map(|record| record.seqnum));
        self.remove_stored(&spool, done);
        if has_missed && self.missed.due.is_none() {
            // They are removed once they are stored.
            self.missed.look_again();
        }
    }

    async fn take_records(&mut self, records: Vec<Record>, when: When, boot_id: &str) {
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
                        self.handle_one(heard).await;
                    }
                    self.tell_missed(&record, when).await;
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

    async fn tell_missed(&mut self, record: &Record, when: When) {
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
                    self.attach(name, described, cause).await;
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
