//! What Linux and macOS have in common.

pub(crate) mod private_file;
pub(crate) mod process_limits;
pub(crate) mod rights;
