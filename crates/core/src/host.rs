//! The host: what the process around a daemon has to give it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::onlooker::Onlooker;
use crate::source::netlink::UeventHandle;
use crate::telemetry::Telemetry;

/// What a process gives to its daemon.
#[derive(Default)]
pub struct Host {
    /// The event loop on which subscribers run, where there is one.
    pub event_loop: Option<Arc<EventLoop>>,
    /// Who else looks on.
    pub onlookers: Vec<Arc<dyn Onlooker>>,
    /// Where telemetry goes, if anywhere.
    pub telemetry: Option<Arc<Telemetry>>,
    /// A socket of the kernel's uevents that has been opened already, in which some may wait.
    pub uevent_socket: Option<UeventHandle>,
}

/// A probe of an event loop: it is asked for a sign of life only when somebody wants to know.
pub struct EventLoop {
    ask: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
    answered: Notify,
}

#[derive(Default)]
struct State {
    asked: Option<Instant>,
    delay: Duration,
}

/// How an event loop is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopDelay {
    /// It has answered.
    pub responding: bool,
    /// How long the answer has taken, or has not come.
    pub delay_ms: f64,
}

impl EventLoop {
    /// `ask` has the loop call [`EventLoop::answer`] as soon as it is free, and returns at once.
    pub fn new(ask: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { ask, state: Mutex::default(), answered: Notify::new() }
    }

    /// The loop is free.
    pub fn answer(&self) {
        let mut state = self.lock();
        if let Some(asked) = state.asked.take() {
            state.delay = asked.elapsed();
        }
        drop(state);
        self.answered.notify_waiters();
    }

    /// Asks, and waits so long for the answer. One that is still due is not asked for again.
    pub async fn delay(&self, patience: Duration) -> LoopDelay {
        let answered = self.answered.notified();
        tokio::pin!(answered);
        // From here on no answer is missed.
        answered.as_mut().enable();
        let is_new = {
            let mut state = self.lock();
            let is_new = state.asked.is_none();
            state.asked.get_or_insert_with(Instant::now);
            is_new
        };
        if is_new {
            (self.ask)();
        }
        let responding = timeout(patience, answered).await.is_ok();
        let state = self.lock();
        let delay = state.asked.filter(|_| !responding).map_or(state.delay, |asked| asked.elapsed());
        LoopDelay { responding, delay_ms: delay.as_secs_f64() * 1000.0 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(work)
    }

    #[test]
    fn a_loop_that_is_blocked_is_asked_once_and_waited_for_on() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let event_loop = EventLoop::new(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        run(async {
            let first = event_loop.delay(Duration::from_millis(5)).await;
            let second = event_loop.delay(Duration::from_millis(5)).await;
            assert!(!first.responding && !second.responding && second.delay_ms >= first.delay_ms + 5.0);
            assert_eq!(asked.load(Ordering::Relaxed), 1);
            event_loop.answer();
            event_loop.delay(Duration::ZERO).await;
            assert_eq!(asked.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn a_loop_that_is_free_answers() {
        let event_loop = Arc::new_cyclic(|this: &std::sync::Weak<EventLoop>| {
            let this = this.clone();
            EventLoop::new(Box::new(move || {
                let this = this.clone();
                std::thread::spawn(move || this.upgrade().expect("alive").answer());
            }))
        });
        let LoopDelay { responding, .. } = run(event_loop.delay(Duration::from_secs(10)));
        assert!(responding);
    }
}
