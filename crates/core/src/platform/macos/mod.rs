//! macOS: `IOKit` by way of nusb, sysctl and libproc.

pub(crate) mod devices;
pub(crate) mod machine;
mod process;
