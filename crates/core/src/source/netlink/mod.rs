//! The kernel's own uevents: netlink protocol 15, multicast group 1.
//!
//! They come before udev has done anything, from the kernel itself, in order, and say all that is needed to name
//! a device. Any process may be sent a datagram on such a socket, so the sender is checked on each one.

#[cfg(target_os = "linux")]
mod departures;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod first;
#[cfg(target_os = "linux")]
pub(crate) mod multicast;
mod received;
#[cfg_attr(not(target_os = "linux"), path = "socket_elsewhere.rs")]
mod socket;
mod uevent;

#[cfg(target_os = "linux")]
pub(crate) use departures::Departures;
#[cfg(target_os = "linux")]
pub(crate) use filter::{SET_AFTER as FILTERS_SET_AFTER, keep_back_what_is_not_below_a_bus};
pub use received::Received;
pub use socket::{UeventHandle, UeventSocket};
pub use uevent::{Change, Uevent, UeventError};
