//! What `tracing` asks on each thread of ours: whether somebody listens, and to what.

use std::num::NonZeroU64;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Dispatch, Event, Metadata};

use super::Lines;
use super::line::LogLine;

/// Lines of other crates are theirs: what they hold, nobody here has looked at.
const OURS: &str = "usb_daemon";

/// There are none: each line says itself what it is about.
const NO_SPAN: Id = Id::from_non_zero_u64(NonZeroU64::MIN);

pub(super) struct LogSubscriber {
    lines: Arc<Lines>,
    /// Where there is one subscriber only, `tracing` asks that of the calling thread whether a line is wanted by anybody, which
    /// may be none, and remembers the answer. With two it asks all.
    _second: Dispatch,
}

impl LogSubscriber {
    pub(super) fn new(lines: Arc<Lines>) -> Self {
        Self { lines, _second: Dispatch::new(Silent) }
    }
}

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Listeners come and go, and the level changes.
        if metadata.target().starts_with(OURS) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.lines.wanted())
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.lines.wanted() && !metadata.is_span() && metadata.target().starts_with(OURS)
    }

    fn event(&self, event: &Event<'_>) {
        self.lines.take_in(LogLine::of(event));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        NO_SPAN
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Wants nothing, and says so. `NoSubscriber` does not say it, and each line would be asked about.
struct Silent;

impl Subscriber for Silent {
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn event(&self, _: &Event<'_>) {}

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        NO_SPAN
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
