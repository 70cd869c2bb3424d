//! Clocks: ours, and how far Redis's is from it.

use std::time::Duration;

use super::{Finding, Tell};
use crate::clock;
use crate::config::Config;

/// 2025-01-01, before this package was made.
const EARLIEST_MS: u64 = 1_735_689_600_000;
const TOLERANCE_MS: u64 = 1000;

pub(super) fn here(_: &Config, tell: Tell<'_>) {
    tell(sane(clock::now_ms()));
}

fn sane(now_ms: u64) -> Finding {
    let subject = "clock";
    if now_ms < EARLIEST_MS {
        let found =
            format!("it stands {} days after 1970-01-01: every timestamp is wrong", now_ms / 86_400_000);
        return Finding::warn(subject, found, "set it, or start the daemon after time-sync.target");
    }
    Finding::ok(subject, "it has been set")
}

/// How far Redis's clock was from ours when it answered within `took`.
pub(super) fn beside(ours_ms: u64, theirs_ms: u64, took: Duration) -> Finding {
    let subject = "redis clock";
    let apart = ours_ms.abs_diff(theirs_ms);
    let uncertain = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let found = format!("{apart} ms from this machine's, give or take {uncertain} ms");
    if apart > TOLERANCE_MS + uncertain {
        let advice = "set both by NTP: an entry's ID has the server's time, its timestamp this machine's";
        Finding::warn(subject, found, advice)
    } else {
        Finding::ok(subject, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Grade;

    #[test]
    fn a_clock_that_was_never_set_is_said() {
        assert_eq!(sane(86_400_000 * 3).grade, Grade::Warn);
        assert_eq!(sane(EARLIEST_MS).grade, Grade::Ok);
    }

    #[test]
    fn clocks_may_be_apart_by_as_much_as_the_answer_took() {
        let at = |theirs, took| beside(10_000, theirs, Duration::from_millis(took)).grade;
        assert_eq!((at(11_000, 0), at(11_001, 0), at(8_999, 0)), (Grade::Ok, Grade::Warn, Grade::Warn));
        assert_eq!(at(11_500, 500), Grade::Ok);
    }
}
