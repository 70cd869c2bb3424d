//! What macOS and Windows have in common.

pub(crate) mod bus;
pub(crate) mod config_watch;
pub(crate) mod service;
pub(crate) mod udev;
