//! What the process may have.

use rustix::process::{Resource, getrlimit};

/// How many file descriptors; none where there is no limit.
pub(crate) fn descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
