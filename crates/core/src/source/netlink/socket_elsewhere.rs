//! The uevent socket where there is none: nobody opens it, or hands it over.

use std::convert::Infallible;

/// What is handed over to a process: nothing.
pub type UeventHandle = Infallible;

/// Never there.
pub enum UeventSocket {}

impl UeventSocket {
    /// Takes what was handed over.
    ///
    /// # Errors
    /// None: it is never asked.
    pub fn adopt(handle: UeventHandle) -> Result<Self, String> {
        match handle {}
    }
}
