//! What macOS and Windows have in common: devices are listed by nusb, on a thread of its own, which also hears that they come
//! and go.
//!
//! A listing asks each hub on Windows, and a hub that hangs does not answer. The engine therefore never waits for one: it asks,
//! goes on, and takes the listing when it comes.

pub(crate) mod alarm;
pub(crate) mod bus;
pub(crate) mod doorbell;
mod found;
mod generations;
mod lister;
mod nusb;
pub(crate) mod socket;
pub(crate) mod thread;
