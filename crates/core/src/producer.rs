//! Names of producers. A producer is one series of event numbers.

use crate::error::{Code, Error};

/// A name that nobody else has: sixteen random hex digits.
pub fn random() -> Result<String, Error> {
    let random = getrandom::u64()
        .map_err(|error| Error::new(Code::System, format!("the kernel gives no random number: {error}")))?;
    Ok(format!("{random:016x}"))
}
