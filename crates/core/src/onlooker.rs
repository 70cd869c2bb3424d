//! Onlookers: who watches the daemon at work. Metrics, traces and the page are onlookers; events do not depend on them.

use std::sync::Arc;

use crate::driver_report::AttemptOutcome;
use crate::event::Event;
use crate::notice::Notice;
use crate::withheld::Withheld;

/// Somebody who is told of everything, on the thread where it happens.
///
/// It must neither wait nor fail: events wait meanwhile.
pub trait Onlooker: Send + Sync {
    /// What subscribers are told, too.
    fn notice(&self, notice: &Notice);
    /// What only onlookers are told.
    fn fact(&self, fact: &Fact<'_>);
}

/// Something of interest to who watches the daemon, and to nobody who only wants devices.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// The outbox has these events.
    Stored {
        /// In order.
        events: &'a [Arc<Event>],
        /// Nothing is published: their way ends here.
        is_end: bool,
        /// It had them before, under other numbers.
        is_again: bool,
    },
    /// A source has reported something, news or not.
    Reported {
        /// Which one.
        source: &'static str,
    },
    /// A source has seen what another one has told of.
    Witnessed {
        /// The event; its journey says who has seen it when.
        event: &'a Arc<Event>,
        /// Which source.
        source: &'static str,
    },
    /// A report has brought no event.
    Withheld(&'a Withheld),
    /// A source has lost messages.
    Overflowed {
        /// Which one.
        source: &'static str,
    },
    /// A rule for drivers has been tried at a device.
    DriverAttempt {
        /// What has come of it.
        outcome: AttemptOutcome,
    },
    /// Redis could not be worked with: it is away, or has refused something.
    RedisFailed,
    /// Events wait because no more may be published just now.
    Paced,
    /// What Redis says of the stream's consumer groups, every few seconds.
    Groups(&'a [GroupLag]),
}

/// How far a consumer group is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLag {
    /// Its name, which may hold any character.
    pub name: String,
    /// Entries that it has not been given, where the server can tell (7.0 and later).
    pub unread: Option<u64>,
    /// Entries that it has been given and has not acknowledged.
    pub pending: u64,
}
