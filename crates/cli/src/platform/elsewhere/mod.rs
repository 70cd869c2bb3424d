//! What macOS and Windows have in common.

pub(crate) mod bus;
pub(crate) mod config_watch;
