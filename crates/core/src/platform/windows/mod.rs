//! Windows: the configuration manager and hubs by way of nusb, and the Win32 API.

pub(crate) mod devices;
pub(crate) mod machine;
pub(crate) mod private_file;
mod process;
pub(crate) mod process_limits;
pub(crate) mod rights;
