//! The hand-over: events go to the handler, what became of them comes back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::oneshot;

use super::stream_event::StreamEvent;
use crate::delivery::Wake;

/// One thing that the consumer tells.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ConsumerNotice {
    /// An event for the handler; what becomes of it is told under its ticket.
    Event {
        /// Names this hand-over.
        ticket: u64,
        /// The event.
        event: Arc<StreamEvent>,
    },
    /// An entry has been moved to the dead-letter stream.
    Dead {
        /// Its ID in the stream.
        message_id: String,
        /// Stable code of why: `ERR_USB_ENTRY` or `ERR_USB_HANDLER`.
        code: &'static str,
        /// Why.
        reason: String,
        /// How often the handler has had it.
        attempts: u32,
    },
    /// The connection to Redis changed state.
    Redis {
        /// Whether it stands.
        connected: bool,
        /// Host and port, or the path of a socket.
        address: String,
        /// Why not, and what to do.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something failed that does not stop the consumer.
    Error {
        /// Stable code.
        code: &'static str,
        /// What failed and what to do.
        message: String,
    },
}

/// What the handler made of an event: nothing to complain of, or why not.
pub type Outcome = Result<(), String>;

/// Between the consumer's thread and whoever runs the handler.
pub struct Handover {
    state: Mutex<State>,
    wake: Wake,
}

#[derive(Default)]
struct State {
    queue: VecDeque<ConsumerNotice>,
    awake: bool,
    last_ticket: u64,
    out: HashMap<u64, oneshot::Sender<Outcome>>,
}

impl Handover {
    /// `wake` is called once whenever notices begin to wait.
    pub fn new(wake: Wake) -> Self {
        Self { state: Mutex::default(), wake }
    }

    /// Takes up to `limit` notices. The flag says whether more are waiting; if not, the next one wakes again.
    pub fn take(&self, limit: usize) -> (Vec<ConsumerNotice>, bool) {
        let mut state = self.lock();
        let count = limit.min(state.queue.len());
        let taken = state.queue.drain(..count).collect();
        state.awake = !state.queue.is_empty();
        (taken, state.awake)
    }

    /// The handler is done with the event of this ticket.
    pub fn settle(&self, ticket: u64, outcome: Outcome) {
        if let Some(waiting) = self.lock().out.remove(&ticket) {
            // Nobody waits any more where the consumer was dropped.
            let _ = waiting.send(outcome);
        }
    }

    /// The event of this ticket comes back: it came to whoever runs the handler after the stop.
    pub fn release(&self, ticket: u64) {
        self.lock().out.remove(&ticket);
    }

    /// Gives an event to the handler and waits for what becomes of it; nothing where it comes back.
    pub(super) async fn hand_over(&self, event: &Arc<StreamEvent>) -> Option<Outcome> {
        let (sender, outcome) = oneshot::channel();
        self.push(|state| {
            state.last_ticket += 1;
            state.out.insert(state.last_ticket, sender);
            ConsumerNotice::Event { ticket: state.last_ticket, event: Arc::clone(event) }
        });
        outcome.await.ok()
    }

    pub(super) fn tell(&self, notice: ConsumerNotice) {
        self.push(|_| notice);
    }

    fn push(&self, make: impl FnOnce(&mut State) -> ConsumerNotice) {
        let mut state = self.lock();
        let notice = make(&mut state);
        state.queue.push_back(notice);
        let wake = !std::mem::replace(&mut state.awake, true);
        drop(state);
        if wake {
            (self.wake)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
