//! The feed: what happens, for those who watch over HTTP.
//!
//! It is filled on the threads where things happen, and costs them next to nothing: nobody is woken who is awake already or
//! rests, and where nobody watches nothing is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::event::Event;
use crate::notice::Notice;
use crate::onlooker::{Fact, Onlooker};
use crate::withheld::Withheld;

/// Who is further behind reads events from the outbox.
const KEPT: usize = 1024;

/// One thing that has happened.
#[derive(Clone)]
pub(super) enum Happening {
    /// A transition.
    Transition(Arc<Event>),
    /// More is known of a transition: how far it is, or who else has seen it.
    Progress(Arc<Event>, Option<Arc<str>>),
    /// A report that brought no event.
    Withheld(Arc<Withheld>),
    /// What else the daemon tells: `ready`, `source`, `redis`, `gap`, `driver` or `error`.
    Told(Arc<Notice>),
}

/// Where watchers get what happens.
pub(crate) struct Feed {
    happenings: Sender<Happening>,
    /// The last transition told of: its series and number.
    last: Mutex<Option<(Arc<str>, u64)>>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { happenings: Sender::new(KEPT), last: Mutex::default() }
    }

    /// What happens from now on.
    pub(super) fn listen(&self) -> Receiver<Happening> {
        self.happenings.subscribe()
    }

    /// The last transition told of, if this run has told of any.
    pub(super) fn last(&self) -> Option<(Arc<str>, u64)> {
        self.lock().clone()
    }

    fn say(&self, happening: impl FnOnce() -> Happening) {
        if self.happenings.receiver_count() > 0 {
            // It fails where the last one has just gone.
            let _: Result<usize, broadcast::error::SendError<_>> = self.happenings.send(happening());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Arc<str>, u64)>> {
        // Nothing under this lock panics.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Onlooker for Feed {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Transition(event) => {
                *self.lock() = Some((Arc::clone(&event.producer), event.seq));
                self.say(|| Happening::Transition(Arc::clone(event)));
            }
            Notice::Published { event, stream_id, .. } => {
                self.say(|| Happening::Progress(Arc::clone(event), Some(stream_id.as_str().into())));
            }
            Notice::Ready { .. }
            | Notice::Gap(_)
            | Notice::Source(_)
            | Notice::Redis(_)
            | Notice::Driver(_)
            | Notice::Error { .. } => {
                self.say(|| Happening::Told(Arc::new(notice.clone())));
            }
            // That a device has stayed is no news, and its number lies behind.
            Notice::Stayed(_) | Notice::Started | Notice::Stopped | Notice::Injected { .. } => {}
        }
    }

    fn fact(&self, fact: &Fact<'_>) {
        match fact {
            Fact::Stored { events, .. } => {
                for event in *events {
                    self.say(|| Happening::Progress(Arc::clone(event), None));
                }
            }
            Fact::Witnessed { event, .. } => self.say(|| Happening::Progress(Arc::clone(event), None)),
            Fact::Withheld(withheld) => self.say(|| Happening::Withheld(Arc::new((*withheld).clone()))),
            _ => {}
        }
    }
}
