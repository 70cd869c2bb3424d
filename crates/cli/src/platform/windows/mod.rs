//! Windows.

pub(crate) mod outbox_path;
pub(crate) mod reader;
