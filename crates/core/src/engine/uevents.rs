//! The uevent socket: drained before anything else is done, because the kernel's buffer is the one that overflows.

use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Engine;
use super::announcer::Cause;
use crate::clock::{self, Moment};
use crate::event::{Backend, Synthetic};
use crate::notice::{Gap, GapCause, Notice, SourceState};
use crate::onlooker::Fact;
use crate::source::name;
use crate::source::netlink::{Change, Received, Uevent};

/// So many uevents are handled before the inbox is looked at: a flood must not keep the engine from stopping.
pub(super) const BURST: usize = 1024;

/// So many a guest handles at most.
const A_MOMENT: usize = 8;

/// A uevent that waits to be handled.
pub(super) struct Heard {
    pub(super) uevent: Uevent,
    pub(super) at: Moment,
}

impl Engine {
    /// Handles uevents until none waits.
    pub(super) async fn handle_pending(&mut self) {
        while !self.handle(BURST).await {}
    }

    /// Drains the socket, handles one uevent, and so on, `limit` times at the most. True once nothing waits.
    pub(super) async fn handle(&mut self, limit: usize) -> bool {
        for handled in 0..limit {
            if handled >= A_MOMENT {
                self.desk.home().await;
            }
            // What waits is for those to keep from overflowing who have the time.
            self.drain(if self.desk.has_guest() { 1 } else { usize::MAX });
            let Some(heard) = self.pending.pop_front() else { return true };
            self.handle_one(heard).await;
        }
        false
    }

    /// Handles one uevent.
    pub(super) async fn handle_one(&mut self, Heard { uevent, at }: Heard) {
        let verdict = self.registry.uevent(uevent.change, uevent.name(), uevent.address, Instant::now());
        if verdict.transitions.is_empty() {
            // What an earlier run has told of may leave before a snapshot has seen it.
            let missed = Some(Synthetic::MissedWhileDown);
            let cause = Cause { seqnum: Some(uevent.seqnum), ..self.cause(Backend::Netlink, missed, at) };
            let has_left = uevent.change == Change::Remove;
            if !has_left || !self.announcer.end_left(uevent.name(), uevent.address, cause) {
                self.announcer.settle(Some(uevent.seqnum));
            }
        }
        self.carry_out(verdict, at, Some(&uevent)).await;
    }

    /// Takes what the socket has, until so many uevents wait here.
    pub(super) fn drain(&mut self, most: usize) {
        while self.pending.len() < most {
            match self.senses.receive() {
                Ok(Received::Uevent(uevent)) => {
                    let (first, last) = self.missed.hear(uevent.seqnum);
                    self.announcer.settle_range(first, last);
                    self.pending.push_back(Heard { uevent, at: Moment::now() });
                    self.hub.note(&Fact::Reported { source: name::NETLINK });
                }
                Ok(Received::Other) => {}
                Ok(Received::Foreign) => {
                    tracing::warn!(
                        source = name::NETLINK,
                        "message from another sender than the kernel refused"
                    );
                }
                Ok(Received::Unreadable(error)) => {
                    tracing::warn!(source = name::NETLINK, %error, "unreadable uevent");
                    self.missed.lose();
                    self.schedule.snapshot_within(Duration::ZERO);
                }
                Ok(Received::Lost) => {
                    self.hub.note(&Fact::Overflowed { source: name::NETLINK });
                    self.missed.lose();
                    self.overflowed = Some(GapCause::Overflow);
                }
                Ok(Received::Empty) => return self.missed.emptied(),
                Err(error) => {
                    self.lose_socket(error);
                    return;
                }
            }
        }
    }

    pub(super) fn tell_gap(&self, cause: GapCause, synthesized: usize) {
        tracing::warn!(
            source = name::NETLINK,
            cause = cause.as_str(),
            synthesized,
            "gap: events were missed"
        );
        self.hub.tell(&Notice::Gap(Gap {
            source: name::NETLINK,
            cause,
            lost: None,
            timestamp: clock::now_ms(),
            synthesized: synthesized as u64,
        }));
    }

    fn lose_socket(&mut self, error: Errno) {
        self.hub.tell_source(
            name::NETLINK,
            SourceState::Failed,
            format!("the uevent socket failed: {error}"),
        );
        self.senses.close_uevents();
        self.registry.set_uevents_open(false);
        self.missed.lose();
        self.overflowed = Some(GapCause::SocketLost);
        self.schedule.retry_soon();
    }
}
