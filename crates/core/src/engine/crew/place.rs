//! Where the engine is while its threads have nothing to do.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use super::Running;

/// So long a guest who hears of the same thing is let go first. Where it shares a processor with whoever waits, to leave that is enough.
const COURTESY: Duration = Duration::from_micros(100);

/// Where it lies.
#[derive(Default)]
pub(super) struct Place {
    engine: Mutex<Engine>,
    /// A guest has left it, for whom somebody waits.
    left: Condvar,
}

#[derive(Default)]
enum Engine {
    /// Some thread runs it. Whether another one waits for it.
    #[default]
    InHand,
    Awaited,
    Resting(Running),
    /// By a guest: there is something to do that takes its time.
    Left(Running),
}

impl Place {
    /// Lays a resting engine down.
    pub(super) fn put(&self, engine: Running) {
        *self.lock() = Engine::Resting(engine);
    }

    /// Takes back what was put down: with `courtesy`, once a guest has had the time to be first. True where it has rested all the while.
    pub(super) fn take_back(&self, courtesy: bool) -> (Running, bool) {
        let until = courtesy.then(|| Instant::now() + COURTESY);
        let mut engine = self.lock();
        loop {
            match std::mem::take(&mut *engine) {
                Engine::Resting(resting) if until.is_some_and(|until| Instant::now() < until) => {
                    *engine = Engine::Resting(resting);
                    drop(engine);
                    yield_now();
                    engine = self.lock();
                }
                Engine::Resting(resting) => return (resting, true),
                Engine::Left(left) => return (left, false),
                Engine::InHand | Engine::Awaited => {
                    *engine = Engine::Awaited;
                    engine = self.left.wait(engine).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Takes up an engine that rests.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody visits elsewhere"))]
    pub(super) fn take_up(&self) -> Option<Running> {
        let mut engine = self.lock();
        match std::mem::take(&mut *engine) {
            Engine::Resting(resting) => Some(resting),
            other => {
                *engine = other;
                None
            }
        }
    }

    /// Leaves what was taken up to whoever has put it there.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody visits elsewhere"))]
    pub(super) fn leave(&self, left: Running) {
        let before = std::mem::replace(&mut *self.lock(), Engine::Left(left));
        if matches!(before, Engine::Awaited) {
            self.left.notify_one();
        }
    }

    /// Whether something that was left is still there.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody visits elsewhere"))]
    pub(super) fn has_left(&self) -> bool {
        matches!(*self.lock(), Engine::Left(_))
    }

    #[cfg(test)]
    pub(super) fn rests(&self) -> bool {
        matches!(*self.lock(), Engine::Resting(_))
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        // Nothing under this lock panics.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Running {
        Box::pin(std::future::pending())
    }

    #[test]
    fn what_nobody_takes_is_taken_back_as_it_was() {
        let place = Place::default();
        for courtesy in [false, true] {
            place.put(engine());
            assert!(place.take_back(courtesy).1);
            assert!(place.take_up().is_none(), "in hand");
        }
    }

    #[test]
    fn what_a_guest_has_taken_is_waited_for() {
        let place = Place::default();
        place.put(engine());
        let taken = place.take_up().expect("it rests");
        assert!(place.take_up().is_none(), "one at a time");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| place.take_back(false).1);
            // Until it does; what is left before is found as well.
            let deadline = Instant::now() + Duration::from_secs(60);
            while !matches!(*place.lock(), Engine::Awaited) && Instant::now() < deadline {
                yield_now();
            }
            assert!(!place.has_left());
            place.leave(taken);
            assert!(!waiting.join().expect("no panic"), "it has been run meanwhile");
        });
        place.put(engine());
        let taken = place.take_up().expect("it rests");
        place.leave(taken);
        assert!(place.has_left() && place.take_up().is_none());
        assert!(!place.take_back(true).1);
    }
}
