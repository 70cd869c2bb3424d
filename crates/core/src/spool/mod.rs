//! The spool: a folder into which the helper that udev calls writes one record for each device that comes or goes, whether or not
//! a daemon runs. A daemon tells what it has missed from there; `usb-daemon udev publish` does without a daemon.
//!
//! **Told once.** A record carries the number of the kernel's uevent that it was written for, and the kernel sends a uevent
//! before udev has it. So after the spool has been read *and then* the socket has been emptied, a record whose number has not
//! been heard is one that was missed, whatever the reason and however late udev has written it; and every other one is no news.
//! No clock and no order of starting is needed for that, nor does it matter whether a socket was handed over in which uevents
//! have waited: those are heard as well. [`Settled`] has the numbers.
//!
//! **Over restarts.** The number of a uevent goes into the outbox in the same commit as the event that it brought, so that a
//! daemon that is killed at any moment finds either both or neither. A record is removed only once its number is stored. It costs
//! no commit of its own.
//!
//! **What a missed record means** is decided by [`plan`](plan::plan), against what is attached: an attach of an instance (name,
//! bus and address) that is attached is no news, nor is a detach of one that is not. Before the first snapshot all the others are
//! told in the kernel's order, and the snapshot then settles what has no record. Later they are told only where that cannot
//! contradict what was told meanwhile: an attach has to have its device there, or its detach among the records, and its port
//! free. What a snapshot has told already is remembered with its instance
//! ([`Claims`]), over restarts as well.
//!
//! **Hostile records.** Whoever is in the folder's group can write there. Only regular files of bounded size are opened, never
//! through a link; what is no record is removed and told with its name, what cannot be read is told and left; a record can say
//! that a device came or went, and nothing else.

mod claims;
#[cfg_attr(not(target_os = "linux"), path = "folder_elsewhere.rs")]
mod folder;
mod listing;
pub(crate) mod plan;
#[cfg(test)]
mod plan_laws;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is no folder to read them from"))]
mod record;
mod settled;
#[cfg(target_os = "linux")]
mod watch;

pub use claims::Claims;
pub use folder::{Spool, waiting};
pub use listing::{Bad, Listing, Unread};
pub use record::Record;
pub use settled::{Settled, SettledBoard};
#[cfg(target_os = "linux")]
pub use watch::SpoolWatch;
