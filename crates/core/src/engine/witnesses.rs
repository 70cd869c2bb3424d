//! Witnesses: which sources have seen a transition, those included that saw it before it was one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::device::Address;
use crate::event::{Action, Event};
use crate::hub::Hub;
use crate::onlooker::Fact;

/// So long a report belongs to a transition at its address; addresses come again only much later.
const TOGETHER: Duration = Duration::from_secs(5);
/// So many transitions are kept before old ones are looked for.
const KEPT: usize = 1024;

/// What is known of the transitions of late.
#[derive(Default)]
pub(super) struct Witnesses {
    recent: HashMap<(Action, Address), Recent>,
}

enum Recent {
    /// Announced: whoever reports it now has seen it too.
    Told(Arc<Event>, Instant),
    /// Seen, and not announced yet.
    Early(Vec<(&'static str, Instant)>),
}

impl Recent {
    fn is_old(&self, now: Instant) -> bool {
        let at = match self {
            Self::Told(_, at) => Some(*at),
            Self::Early(reports) => reports.first().map(|(_, at)| *at),
        };
        at.is_none_or(|at| now.saturating_duration_since(at) > TOGETHER)
    }
}

impl Witnesses {
    /// A source that does not decide has seen something.
    pub(super) fn report(
        &mut self,
        hub: &Hub,
        source: &'static str,
        action: Action,
        address: Address,
        now: Instant,
    ) {
        let recent = self.recent.entry((action, address)).or_insert_with(|| Recent::Early(Vec::new()));
        if recent.is_old(now) {
            *recent = Recent::Early(Vec::new());
        }
        match recent {
            Recent::Told(event, _) => {
                event.journey.witness(source, now);
                hub.note(&Fact::Witnessed { event, source });
            }
            Recent::Early(reports) => {
                if reports.iter().all(|(known, _)| *known != source) {
                    reports.push((source, now));
                }
            }
        }
        self.forget_old(now);
    }

    /// A transition is about to be announced: who has seen it by now is noted in its journey.
    pub(super) fn tell(&mut self, event: &Arc<Event>) {
        let now = Instant::now();
        let observed = event.journey.observed().unwrap_or(now);
        event.journey.witness(event.backend.as_str(), observed);
        let key = (event.action, event.attachment.device.address);
        let told = Recent::Told(Arc::clone(event), now);
        if let Some(early @ Recent::Early(_)) = self.recent.insert(key, told)
            && !early.is_old(now)
            && let Recent::Early(reports) = early
        {
            for (source, at) in reports {
                event.journey.witness(source, at);
            }
        }
        self.forget_old(now);
    }

    fn forget_old(&mut self, now: Instant) {
        if self.recent.len() > KEPT {
            self.recent.retain(|_, recent| !recent.is_old(now));
            if self.recent.len() > KEPT {
                // A flood: what it leaves out is who else has seen it.
                self.recent.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Delivery;
    use crate::journey::Journey;
    use crate::outbox::StatusBoard;
    use crate::source::name;
    use crate::test_support::{device, event};

    fn hub() -> Hub {
        Hub::new(Arc::new(Delivery::new(100, Box::new(|| ()))), StatusBoard::default(), Vec::new())
    }

    fn attach() -> Arc<Event> {
        let journey = Journey::observed_at(Instant::now());
        Arc::new(Event { journey, ..(*event(1, Action::Attach, 1)).clone() })
    }

    #[test]
    fn whoever_reports_a_transition_has_seen_it_be_it_before_or_after_it_was_told() {
        let mut witnesses = Witnesses::default();
        let (early, late) = (attach(), attach());
        witnesses.report(&hub(), name::LIBUSB, Action::Attach, device().address, Instant::now());
        witnesses.tell(&early);
        assert_eq!(early.journey.seen_by().into_keys().collect::<Vec<_>>(), [name::LIBUSB, name::NETLINK]);
        witnesses.tell(&late);
        witnesses.report(&hub(), name::LIBUSB, Action::Detach, device().address, Instant::now());
        assert_eq!(late.journey.seen_by().len(), 1, "the detach is another transition");
        witnesses.report(&hub(), name::LIBUSB, Action::Attach, device().address, Instant::now());
        assert_eq!(late.journey.first_witness(), Some(name::NETLINK));
        assert_eq!(late.journey.seen_by().len(), 2);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut witnesses = Witnesses::default();
        for number in 0..10_000 {
            let address = crate::device::Address { bus: number / 100, device: number % 100 };
            witnesses.report(&hub(), name::LIBUSB, Action::Attach, address, Instant::now());
        }
        assert!(witnesses.recent.len() <= KEPT + 1);
    }
}
