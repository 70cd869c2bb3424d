//! What the process may have.

/// How many handles: Windows gives each process as many as its tables can hold.
pub(crate) const HANDLES: u64 = 1 << 24;

/// How many sockets: no limit of their own.
pub(crate) fn descriptors() -> Option<u64> {
    None
}
