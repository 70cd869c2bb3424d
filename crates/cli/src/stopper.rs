//! Asks a run to end, from a signal or from a reader that has gone, and to read its configuration again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes the run when it is time to end, and its printer when there is something to print.
#[derive(Debug, Default)]
pub struct Stopper {
    state: Mutex<State>,
    changed: Condvar,
}

/// Whether the configuration is to be read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reload {
    /// What runs does not do that.
    #[default]
    Ignored,
    /// There is nothing to read again: whoever asks for it wants the end, as a terminal that closes does.
    Ends,
    NotAsked,
    Asked,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    reload: Reload,
    woken: bool,
    complete: bool,
}

impl Stopper {
    /// Asks the run to end.
    pub fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    /// Asks the run to read its configuration again. False where what runs does not do that.
    pub fn reload(&self) -> bool {
        let mut heard = false;
        self.change(|state| {
            heard = state.reload != Reload::Ignored;
            match state.reload {
                Reload::Ignored => {}
                Reload::Ends => state.stopped = true,
                Reload::NotAsked | Reload::Asked => state.reload = Reload::Asked,
            }
        });
        heard
    }

    /// From now on [`Self::reload`] is heard; where there is nothing to read again, as a stop.
    pub(crate) fn take_reloads(&self, has_file: bool) {
        self.change(|state| state.reload = if has_file { Reload::NotAsked } else { Reload::Ends });
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

    /// Waits until the configuration is to be read again; false once it is time to end.
    pub(crate) fn wait_for_reload(&self) -> bool {
        let mut state = self.wait_until(|state| state.stopped || state.reload == Reload::Asked);
        if state.reload == Reload::Asked {
            state.reload = Reload::NotAsked;
        }
        !state.stopped
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
