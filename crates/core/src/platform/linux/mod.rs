//! Linux: sysfs, eventfd and procfs.

pub(crate) mod alarm;
pub(crate) mod bus;
#[cfg(test)]
pub(crate) mod devices;
pub(crate) mod doorbell;
pub(crate) mod machine;
mod process;
pub(crate) mod socket;
pub(crate) mod thread;
