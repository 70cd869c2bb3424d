//! Delivery: a bounded, ordered queue of notices to one subscriber, with one wake-up for many of them.
//!
//! A subscriber that is too slow loses nothing up to the capacity. Beyond it, it gets the rest from the store, a page at a
//! time, where there is one that has it. Where there is none, attach and detach of the same attachment cancel each other
//! out, and what remains is owed: once the subscriber has caught up it gets a gap that says how many transitions it never
//! saw, then what it is owed, so that its set of devices is right again.
//!
//! Invariant: the memory held is bounded by the capacity and the number of attached devices, however long the
//! subscriber sleeps.

#[cfg(test)]
mod laws;
mod overflow;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::error::{Code, Error};
use crate::event::{Action, Event};
use crate::notice::Notice;
use crate::publisher::Answer;
use overflow::{Overflow, Progress};

/// Wakes the subscriber; called with no lock held, at most once until it has taken everything.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Told that the subscriber has come, each time that it takes.
pub type Come = Box<dyn Fn() + Send + Sync>;

/// Asks the store for events after this number, so many at most.
pub type Ask = Box<dyn Fn(u64, usize, Answer) + Send + Sync>;

/// So many events are read from the store at a time, at most.
const PAGE: usize = 256;

/// The queue's two ends: `push` on the daemon's side, `take` on the subscriber's.
pub struct Delivery {
    state: Mutex<State>,
    /// The subscriber has taken something, or the store has answered.
    read_on: Condvar,
    capacity: usize,
    wake: Wake,
    wants_published: AtomicBool,
    store: OnceLock<Ask>,
    come: OnceLock<Come>,
}

/// What a subscriber has not taken yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Notices that wait, those included that have found no room.
    pub waiting: u64,
    /// How often it has been told that it has missed something.
    pub gaps: u64,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Notice>,
    awake: bool,
    /// How many notices the subscriber has taken.
    taken: u64,
    /// How many threads wait for it to take some.
    awaited: u32,
    /// Attachments that the subscriber has been told of, or will be by what is queued.
    told: HashSet<u64>,
    overflow: Option<Overflow>,
    /// Gaps of its own that it has been told of.
    gaps: u64,
}

impl Delivery {
    /// A queue of at most `capacity` notices.
    pub fn new(capacity: usize, wake: Wake) -> Self {
        Self {
            state: Mutex::default(),
            read_on: Condvar::new(),
            capacity,
            wake,
            wants_published: AtomicBool::new(false),
            store: OnceLock::new(),
            come: OnceLock::new(),
        }
    }

    /// Says where events can be read again that have found no room here. Only the first store counts.
    pub fn set_store(&self, ask: Ask) {
        let _ = self.store.set(ask);
    }

    /// Says who is to know that the subscriber has come. Only the first counts.
    pub fn set_come(&self, come: Come) {
        let _ = self.come.set(come);
    }

    /// Whether the subscriber wants to hear of each acknowledgement by Redis; at first it does not.
    pub fn set_wants_published(&self, wanted: bool) {
        self.wants_published.store(wanted, Ordering::Relaxed);
    }

    /// What has not been taken yet.
    pub fn backlog(&self) -> Backlog {
        let state = self.lock();
        let withheld = state.overflow.as_ref().map_or(0, Overflow::withheld);
        Backlog { waiting: state.queue.len() as u64 + withheld, gaps: state.gaps }
    }

    /// Appends a notice and wakes the subscriber if it sleeps.
    pub fn push(&self, notice: &Notice) {
        if matches!(notice, Notice::Published { .. }) && !self.wants_published.load(Ordering::Relaxed) {
            return;
        }
        let notice = notice.clone();
        let mut state = self.lock();
        if state.overflow.is_none() && state.queue.len() >= self.capacity {
            state.overflow = Some(Overflow::new(self.store.get().is_some()));
        }
        state.append(notice);
        let wake = !std::mem::replace(&mut state.awake, true);
        drop(state);
        if wake {
            (self.wake)();
        }
    }

    /// Does `work` on the subscriber's own thread, which is awake then. True where there is something to be taken after that.
    pub fn while_awake(&self, work: impl FnOnce()) -> bool {
        let before = std::mem::replace(&mut self.lock().awake, true);
        work();
        let mut state = self.lock();
        let waits = !state.queue.is_empty();
        state.awake = before || waits;
        waits
    }

    /// Takes up to `limit` notices. The flag says whether more are waiting; if not, whatever comes next wakes again.
    pub fn take(self: &Arc<Self>, limit: usize) -> (Vec<Notice>, bool) {
        let mut state = self.lock();
        let after = if state.queue.is_empty() { state.catch_up() } else { None };
        let count = limit.min(state.queue.len());
        let taken = state.queue.drain(..count).collect();
        state.taken += count as u64;
        if let (Some(after), Some(ask)) = (after, self.store.get()) {
            drop(state);
            let this = Arc::clone(self);
            // Where the store has ended, that is answered before this returns.
            ask(after, PAGE.min(self.capacity), Box::new(move |page| this.receive(page)));
            state = self.lock();
        }
        let is_asking = state.overflow.as_ref().is_some_and(Overflow::is_asking);
        let more = !state.queue.is_empty() || (state.overflow.is_some() && !is_asking);
        // What the store gives wakes the subscriber, whatever is pushed meanwhile does not.
        state.awake = more || is_asking;
        let is_awaited = state.awaited > 0;
        drop(state);
        if let Some(come) = self.come.get() {
            come();
        }
        // To notify nobody is a call to the kernel as well.
        if is_awaited {
            self.read_on.notify_all();
        }
        (taken, more)
    }

    /// Waits until nothing is to be had from the store any more, as long as the subscriber takes something every `patience`.
    pub fn wait_until_caught_up(&self, patience: Duration) {
        let mut state = self.lock();
        state.awaited += 1;
        while state.is_behind() {
            let before = state.taken;
            let (now, waited) = self
                .read_on
                .wait_timeout_while(state, patience, |state| state.is_behind() && state.taken == before)
                .unwrap_or_else(PoisonError::into_inner);
            state = now;
            if waited.timed_out() {
                // What is left is told as a gap.
                break;
            }
        }
        state.awaited -= 1;
    }

    fn receive(&self, page: Result<Vec<Arc<Event>>, Error>) {
        let mut state = self.lock();
        match page {
            Ok(page) => state.receive(&page),
            Err(error) => {
                // After a stop the gap says all there is to say.
                if error.code != Code::NotRunning {
                    state.queue.push_back(Notice::Error { error, context: "delivery" });
                }
                state.receive(&[]);
            }
        }
        state.awake = true;
        drop(state);
        self.read_on.notify_all();
        (self.wake)();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and a queue is consistent between any two statements of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, notice: Notice) {
        let Some(overflow) = &mut self.overflow else { return self.enqueue(notice) };
        match notice {
            Notice::Transition(event) => overflow.withhold(event, &self.told),
            // No more than there are devices, and rare and about the daemon itself: at once, so that it is before what it
            // has brought.
            Notice::Stayed(_) | Notice::Gap(_) => self.enqueue(notice),
            other => overflow.put_off(other),
        }
    }

    fn enqueue(&mut self, notice: Notice) {
        if let Notice::Transition(event) | Notice::Stayed(event) = &notice {
            let attachment = event.attachment.instance;
            match event.action {
                Action::Attach => self.told.insert(attachment),
                Action::Detach => self.told.remove(&attachment),
            };
        }
        self.queue.push_back(notice);
    }

    /// Whether transitions are still to be read from the store.
    fn is_behind(&self) -> bool {
        self.overflow.as_ref().is_some_and(|overflow| !overflow.is_over())
    }

    /// The subscriber has taken everything. Gives the number after which the store is to be asked for more, if it is.
    fn catch_up(&mut self) -> Option<u64> {
        match self.overflow.as_mut()?.progress() {
            Progress::Ask(after) => return Some(after),
            Progress::Asked => {}
            Progress::Settle => self.settle(),
        }
        None
    }

    /// The store's answer to the last question.
    fn receive(&mut self, page: &[Arc<Event>]) {
        let Some(overflow) = &mut self.overflow else { return };
        let given = overflow.receive(page);
        let is_over = overflow.is_over();
        for event in given {
            self.enqueue(Notice::Transition(event));
        }
        if is_over {
            self.settle();
        }
    }

    /// Says what the subscriber never saw, if anything, and hands over what it is owed.
    fn settle(&mut self) {
        for notice in self.overflow.take().into_iter().flat_map(Overflow::settle) {
            self.gaps += u64::from(matches!(notice, Notice::Gap(_)));
            self.enqueue(notice);
        }
    }
}
