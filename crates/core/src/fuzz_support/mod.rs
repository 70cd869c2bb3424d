//! What fuzzing reaches of the core's inside: a function for each reader of bytes that somebody else has written. No part of the
//! crate's face, and in no build of the daemon.
//!
//! A function takes any bytes and panics where the reader breaks one of its laws: what it takes can be written and read again and is the
//! same, what it refuses is named in a sentence that is short and clean, and nothing that it gives outgrows what it was given. How long
//! one input may take is libFuzzer's to say.
//!
//! `fuzz/fuzz_targets` has a program for each of them, `fuzz/corpus` a folder with inputs. `replay` runs them all without libFuzzer, with
//! the unit tests.

mod device;
mod driver;
mod kernel_log;
mod names;
mod ready;
#[cfg(test)]
mod replay;
mod store;
mod stream;
mod text;

pub use device::{descriptors, object_store, report_descriptor, uevent};
pub use driver::{allow_list, driver_request};
pub use kernel_log::kernel_log;
pub use names::usb_ids;
pub use ready::{ready_message, udev_record};
pub use store::{outbox_record, outbox_state, spool_record};
pub use stream::stream_entry;
pub use text::{config, redis_url, usbguard_rules};

/// What fuzzes one reader.
pub type Target = fn(&[u8]);

/// All of them, by the names of their programs and folders.
pub const TARGETS: [(&str, Target); 17] = [
    ("allow_list", allow_list),
    ("config", config),
    ("descriptors", descriptors),
    ("driver_request", driver_request),
    ("kernel_log", kernel_log),
    ("object_store", object_store),
    ("outbox_record", outbox_record),
    ("outbox_state", outbox_state),
    ("ready_message", ready_message),
    ("redis_url", redis_url),
    ("report_descriptor", report_descriptor),
    ("spool_record", spool_record),
    ("stream_entry", stream_entry),
    ("udev_record", udev_record),
    ("uevent", uevent),
    ("usb_ids", usb_ids),
    ("usbguard_rules", usbguard_rules),
];

/// Characters that a reason has at most: it cites little of what was found.
const LONGEST_REASON: usize = 400;

/// A reason goes into logs and terminals, whoever wrote what is at fault.
fn is_presentable(reason: &str) -> bool {
    !reason.is_empty() && reason.chars().count() <= LONGEST_REASON && !reason.contains(char::is_control)
}
