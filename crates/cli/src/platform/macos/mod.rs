//! macOS.

pub(crate) mod outbox_path;
