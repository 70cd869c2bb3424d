//! The calling thread.

/// macOS and Windows keep such a wish for the whole process, which is not ours.
pub(crate) fn stand_back() {}

/// As above.
pub(crate) fn push_nobody_aside() {}
