//! What is asked of a connection.

use std::time::Duration;

/// Only Linux can be told how long what has been sent may stay without an acknowledgment: here the system's own patience holds.
pub(crate) fn give_up_after<S>(_: &S, _: Duration) {}
