//! What Linux and macOS have in common.

pub(crate) mod reader;
