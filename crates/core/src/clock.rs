//! Clocks: the wall's, in the contract's unit, and the one that only goes forward.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 on a machine whose clock stands before that.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub ms: u64,
    /// For how long something takes.
    pub at: Instant,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self { ms: now_ms(), at: Instant::now() }
    }
}
