//! Asks a run to end: from a signal, or from a reader that has gone.

use std::sync::{Condvar, Mutex, PoisonError};

/// Wakes the run when there is something to print or it is time to end.
#[derive(Debug, Default)]
pub struct Stopper {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    woken: bool,
}

impl Stopper {
    /// Asks the run to end.
    pub fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    pub(crate) fn wake(&self) {
        self.change(|state| state.woken = true);
    }

    /// Waits for a wake-up or the end. True when it is time to end.
    pub(crate) fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self
            .changed
            .wait_while(state, |state| !state.stopped && !state.woken)
            .unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        state.stopped
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}
