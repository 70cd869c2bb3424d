//! Where the engine puts down what has come and gone, for `aw-ready` to take up a little later.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::News;
use crate::platform::alarm::Alarm;

/// What lies there wakes whoever waits for the desk's file descriptor, once it has lain for a while.
pub(super) struct Desk {
    /// From the first of the news that lie there on.
    delay: Duration,
    alarm: Alarm,
    lying: Mutex<Lying>,
}

#[derive(Default)]
struct Lying {
    news: Vec<News>,
    is_closed: bool,
}

impl Desk {
    /// One on which news may lie for so long.
    ///
    /// # Errors
    /// Where the process has no file descriptor left.
    pub(super) fn new(delay: Duration) -> io::Result<Self> {
        Ok(Self { delay, alarm: Alarm::new()?, lying: Mutex::default() })
    }

    /// Puts news behind those that lie there.
    pub(super) fn put(&self, news: Vec<News>) {
        let mut lying = self.lying();
        // An alarm that is set stays as it is: a crowd of devices would put it off for ever.
        if lying.news.is_empty() && !lying.is_closed {
            self.alarm.set(self.delay);
        }
        lying.news.extend(news);
    }

    /// Takes all that lies there, be it time or not. None once the desk is closed.
    pub(super) fn take(&self) -> Option<Vec<News>> {
        let mut lying = self.lying();
        if lying.is_closed {
            return None;
        }
        self.alarm.still();
        Some(std::mem::take(&mut lying.news))
    }

    /// Says that nothing more comes, and wakes whoever waits at once.
    pub(super) fn close(&self) {
        self.lying().is_closed = true;
        self.alarm.set(Duration::ZERO);
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable once something has lain for long enough, or the desk is closed.
impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.alarm.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::time::timerfd_gettime;

    use super::*;

    const NEVER: Duration = Duration::from_secs(3600);
    /// Within it, or the test has failed.
    const DEADLINE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
    const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    const MANY: u64 = 1000;

    fn is_readable(desk: &Desk, within: &Timespec) -> bool {
        poll(&mut [PollFd::new(desk, PollFlags::IN)], Some(within)).expect("a poll") == 1
    }

    fn left(instance: u64) -> Vec<News> {
        vec![News::Left { instance }]
    }

    #[test]
    fn news_that_keep_coming_do_not_put_off_those_that_lie_there() {
        let desk = Desk::new(NEVER).expect("a desk");
        desk.put(left(0));
        let lies_since = Instant::now();
        for number in 1..MANY {
            let lies_for = lies_since.elapsed();
            desk.put(left(number));
            let remaining = timerfd_gettime(&desk).expect("a time").it_value.try_into();
            let remaining: Duration = remaining.expect("a time to come");
            assert!(remaining + lies_for <= NEVER, "put off by number {number}: still {remaining:?}");
        }
        let taken = desk.take().expect("open");
        assert_eq!(taken.len() as u64, MANY);
        let mut numbered = (0..).zip(&taken);
        assert!(
            numbered.all(|(number, news)| matches!(news, News::Left { instance } if *instance == number)),
            "in their order"
        );
    }

    #[test]
    fn what_has_lain_there_wakes_until_it_is_taken() {
        let desk = Desk::new(Duration::from_millis(1)).expect("a desk");
        for _ in 0..2 {
            desk.put(left(1));
            assert!(is_readable(&desk, &DEADLINE));
            assert_eq!(desk.take().map(|news| news.len()), Some(1));
            assert!(!is_readable(&desk, &NOW), "nothing lies there");
        }
    }

    #[test]
    fn news_lie_for_a_while_and_who_comes_by_takes_them_all_the_same() {
        let desk = Desk::new(NEVER).expect("a desk");
        desk.put(left(1));
        assert!(!is_readable(&desk, &NOW));
        assert_eq!(desk.take().map(|news| news.len()), Some(1));
        assert_eq!(desk.take().map(|news| news.len()), Some(0));
    }

    #[test]
    fn closing_wakes_at_once_whatever_lies_there_or_comes_later() {
        let desk = Desk::new(NEVER).expect("a desk");
        desk.put(left(1));
        desk.close();
        assert!(is_readable(&desk, &DEADLINE));
        desk.put(left(2));
        assert!(desk.take().is_none() && is_readable(&desk, &DEADLINE));
        let empty = Desk::new(NEVER).expect("a desk");
        empty.close();
        empty.put(left(1));
        assert!(is_readable(&empty, &DEADLINE));
    }
}
