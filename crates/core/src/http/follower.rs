//! A follower: one client that watches events, from where it left off.
//!
//! What has been comes from the outbox, what comes from the feed, each event once and in order. Who falls behind the feed
//! reads from the outbox again; what that has no longer is told as a gap.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::feed::{Feed, Happening};
use super::wording::{Wording, not_kept};
use crate::delivery::Ask;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::notice::Notice;

/// So many events are read from the outbox at a time.
const PAGE: usize = 256;
/// How often something is said even where nothing happens: to keep the connection, and to notice that it is gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What happens within so much time is told together.
const REST: Duration = Duration::from_millis(10);
/// A piece of the answer is about this long at most.
const PIECE: usize = 64 * 1024;

/// From where on events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// From now on.
    Now,
    /// So many back.
    Last(u64),
    /// After this event; of the series that is being numbered now, where no producer is named.
    After(Option<String>, u64),
}

/// What followers share.
pub(super) struct Store {
    pub(super) ask: Ask,
    /// One page at a time for all of them: whoever stores events answers, too.
    pub(super) turn: Semaphore,
}

/// Where numbers are: the series that is being numbered, and its last number.
pub(super) struct Place {
    pub(super) producer: Arc<str>,
    pub(super) last: u64,
}

pub(super) struct Follower {
    happenings: Receiver<Happening>,
    store: Arc<Store>,
    wording: Wording,
    producer: Arc<str>,
    /// The series before this one: what of it is still on its way comes too late.
    left: Option<Arc<str>>,
    /// Number of the last event told of.
    seen: u64,
    /// Whether the outbox may have more after that.
    behind: bool,
    /// Whether the first event that is found may have any number.
    anywhere: bool,
    /// An event that comes after what the outbox has still to give.
    held: Option<Arc<Event>>,
    text: String,
    rest_until: Instant,
    has_ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// `place` is asked after this has begun to listen.
    pub(super) fn new(
        feed: &Feed,
        store: Arc<Store>,
        wording: Wording,
        from: &From,
        place: impl FnOnce() -> Place,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let happenings = feed.listen();
        let place = place();
        let mut follower = Self {
            happenings,
            store,
            wording,
            producer: place.producer,
            left: None,
            seen: place.last,
            behind: false,
            anywhere: false,
            held: None,
            text: String::from("retry: 2000\n: follows\n\n"),
            rest_until: Instant::now(),
            has_ended: false,
            _place: slot,
        };
        follower.begin(from, place.last);
        follower
    }

    fn begin(&mut self, from: &From, last: u64) {
        let seen = match from {
            From::Now => return,
            From::Last(count) => {
                self.anywhere = true;
                last.saturating_sub(*count)
            }
            From::After(Some(producer), _) if **producer != *self.producer => {
                // Of another series nothing is known here: all of this one is new.
                not_kept(&mut self.text, None);
                0
            }
            From::After(_, seq) if *seq > last => {
                not_kept(&mut self.text, None);
                return;
            }
            From::After(_, seq) => *seq,
        };
        self.anywhere |= seen == 0;
        self.seen = seen;
        self.behind = true;
    }

    /// The next piece of the answer; nothing once the daemon stops.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if !self.text.is_empty() {
                return Some(std::mem::take(&mut self.text));
            }
            if self.has_ended {
                return None;
            }
            if self.behind {
                self.read_page().await;
                continue;
            }
            sleep_until(self.rest_until).await;
            match timeout(HEARTBEAT, self.happenings.recv()).await {
                Err(_) => self.text.push_str(": still here\n\n"),
                Ok(Err(RecvError::Closed)) => self.has_ended = true,
                Ok(Err(RecvError::Lagged(count))) => self.fall_behind(count),
                Ok(Ok(happening)) => {
                    self.take(happening);
                    self.take_what_waits();
                    self.rest_until = Instant::now() + REST;
                }
            }
        }
    }

    fn take_what_waits(&mut self) {
        while self.text.len() < PIECE && !self.behind {
            match self.happenings.try_recv() {
                Ok(happening) => self.take(happening),
                Err(TryRecvError::Lagged(count)) => self.fall_behind(count),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn fall_behind(&mut self, skipped: u64) {
        self.wording.skipped(&mut self.text, skipped);
        self.behind = true;
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Transition(event) if self.left.as_ref() == Some(&event.producer) => {}
            Happening::Transition(event) => {
                if event.producer != self.producer {
                    self.enter(&event.producer);
                }
                if event.seq == self.seen + 1 {
                    self.tell(&event);
                } else if event.seq > self.seen {
                    self.behind = true;
                    self.held = Some(event);
                }
            }
            Happening::Progress(event, stream_id) => {
                // Who has not been told of it yet is told of all at once.
                if event.producer == self.producer && event.seq <= self.seen {
                    self.wording.progress(&mut self.text, &event, stream_id.as_deref());
                }
            }
            Happening::Withheld(withheld) => self.wording.withheld(&mut self.text, &withheld),
            Happening::Told(notice) => self.wording.told(&mut self.text, &notice),
        }
    }

    /// Numbers begin anew, in another series.
    fn enter(&mut self, producer: &Arc<str>) {
        not_kept(&mut self.text, None);
        self.left = Some(std::mem::replace(&mut self.producer, Arc::clone(producer)));
        self.held = None;
        self.seen = 0;
        self.anywhere = true;
    }

    fn tell(&mut self, event: &Event) {
        self.seen = event.seq;
        self.anywhere = false;
        self.wording.transition(&mut self.text, event);
    }

    /// Tells that the events before this number are not kept any more.
    fn skip_to(&mut self, seq: u64) {
        if seq > self.seen + 1 {
            if !std::mem::take(&mut self.anywhere) {
                not_kept(&mut self.text, Some(seq - self.seen - 1));
            }
            self.seen = seq - 1;
        }
    }

    async fn read_page(&mut self) {
        let page = match self.ask().await {
            Ok(page) => page,
            Err(error) if error.code == Code::NotRunning => {
                self.has_ended = true;
                return;
            }
            Err(error) => {
                self.wording.told(&mut self.text, &Notice::Error { error, context: "http" });
                Vec::new()
            }
        };
        if page.is_empty() {
            self.behind = false;
            if let Some(event) = self.held.take() {
                self.skip_to(event.seq);
                self.tell(&event);
            }
            self.anywhere = false;
            return;
        }
        for event in page {
            if event.producer != self.producer {
                self.enter(&event.producer);
            }
            if event.seq > self.seen {
                self.skip_to(event.seq);
                self.tell(&event);
            }
        }
        if self.held.take_if(|event| event.seq <= self.seen).is_some() {
            self.behind = false;
        }
    }

    async fn ask(&self) -> Result<Vec<Arc<Event>>, Error> {
        let stopped = || Error::new(Code::NotRunning, "the daemon has stopped");
        let _turn = self.store.turn.acquire().await.map_err(|_| stopped())?;
        let (answer, answered) = oneshot::channel();
        // Who has gone meanwhile needs no answer.
        (self.store.ask)(self.seen, PAGE, Box::new(|page| drop(answer.send(page))));
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}
