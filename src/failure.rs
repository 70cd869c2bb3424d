//! Errors of the core as JavaScript errors: the stable code becomes `err.code`.

use usb_daemon_core::{Code, Error};

/// What a call into the addon returns.
pub(crate) type Result<T> = napi::Result<T, Code>;

pub(crate) fn failure(error: Error) -> napi::Error<Code> {
    napi::Error::new(error.code, error.message)
}
