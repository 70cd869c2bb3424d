//! What was said of devices of which the engine has not told yet: it tells once their strings are read, or after 500 ms.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::awaited::Listening;
use super::message::{Action, Heard, Sender};

/// A bound for what no bus says in so short a time.
const MOST: usize = 4096;
/// Nobody asks any more for what is older: devices that are ready go on being spoken of.
const LONGEST: Duration = Duration::from_secs(30);

/// Messages, the oldest first.
#[derive(Default)]
pub(super) struct Kept {
    messages: VecDeque<(Instant, Heard)>,
    lost_at: Option<Instant>,
}

impl Kept {
    /// Keeps a message. What was said of a device that has gone is not the next one's.
    pub(super) fn keep(&mut self, message: Heard, now: Instant) {
        while self.messages.front().is_some_and(|(at, _)| now > *at + LONGEST) {
            self.messages.pop_front();
        }
        if message.from == Sender::Kernel && message.action == Action::Remove {
            self.messages.retain(|(_, kept)| !kept.is_within(&message.devpath));
            return;
        }
        if self.messages.len() == MOST {
            self.messages.pop_front();
            self.lost_at = Some(now);
        }
        self.messages.push_back((now, message));
    }

    /// Hands over what was said of this device.
    pub(super) fn give(&mut self, listening: &mut Listening, now: Instant) {
        self.messages.retain(|(_, heard)| {
            let is_its = heard.is_within(listening.devpath());
            if is_its {
                listening.hear(heard, now);
            }
            !is_its
        });
    }

    /// When one has found no room.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        self.lost_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: &str = "/devices/x/usb1/1-4";

    fn heard(action: Action, devpath: &str, seqnum: u64) -> Heard {
        Heard { from: Sender::Kernel, action, devpath: devpath.into(), seqnum }
    }

    /// Whether a device that comes now has heard its own `bind`.
    fn is_bound(kept: &mut Kept, now: Instant) -> bool {
        let mut listening = Listening::new(DEVICE.into(), true, now);
        kept.give(&mut listening, now);
        listening.kernel_is_done(|_| false, now)
    }

    #[test]
    fn a_device_hears_what_was_said_of_it_once_and_not_what_was_said_of_the_one_before() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.keep(heard(Action::Bind, DEVICE, 1), now);
        kept.keep(heard(Action::Bind, "/devices/x/usb1/1-5", 2), now);
        assert!(is_bound(&mut kept, now));
        assert!(!is_bound(&mut kept, now), "it has been handed over");
        kept.keep(heard(Action::Bind, DEVICE, 3), now);
        kept.keep(heard(Action::Remove, DEVICE, 4), now);
        assert!(!is_bound(&mut kept, now), "that one has gone");
    }

    #[test]
    fn what_is_old_makes_room_and_what_is_not_is_missed() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        for number in 0..=MOST as u64 {
            kept.keep(heard(Action::Other, DEVICE, number), now);
        }
        assert_eq!((kept.messages.len(), kept.lost_at()), (MOST, Some(now)));
        let later = now + LONGEST + Duration::from_secs(1);
        kept.keep(heard(Action::Bind, DEVICE, 1), later);
        assert_eq!((kept.messages.len(), kept.lost_at()), (1, Some(now)));
    }
}
