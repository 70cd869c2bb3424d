//! Linux.

pub(crate) mod bus;
pub(crate) mod config_watch;
pub(crate) mod outbox_path;
pub(crate) mod service;
pub(crate) mod udev;
