//! Asks a run to end: from a signal, or from a reader that has gone.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes the run when it is time to end, and its printer when there is something to print.
#[derive(Debug, Default)]
pub struct Stopper {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    woken: bool,
    complete: bool,
}

impl Stopper {
    /// Asks the run to end.
    pub fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// There is something to print.
    pub(crate) fn wake(&self) {
        self.change(|state| state.woken = true);
    }

    /// Nothing further will come to be printed.
    pub(crate) fn complete(&self) {
        self.change(|state| state.complete = true);
    }

    /// Waits until it is time to end.
    pub(crate) fn wait_until_stopped(&self) {
        let _stopped = self.wait_until(|state| state.stopped);
    }

    /// Waits for so long; true once it is time to end.
    pub(crate) fn is_stopped_within(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    /// Waits until there is something to take, but only so long; true once it is time to end.
    pub(crate) fn is_stopped_when_woken(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, time, |state| !state.stopped && !state.woken);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.woken = false;
        state.stopped
    }

    /// Waits until there is something to print. True when it is the last.
    pub(crate) fn wait_until_woken(&self) -> bool {
        let mut state = self.wait_until(|state| state.woken || state.complete);
        state.woken = false;
        state.complete
    }

    fn wait_until(&self, holds: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.wait_while(state, |state| !holds(state)).unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}
