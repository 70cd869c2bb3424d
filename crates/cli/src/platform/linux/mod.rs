//! Linux.

pub(crate) mod bus;
pub(crate) mod config_watch;
pub(crate) mod outbox_path;
