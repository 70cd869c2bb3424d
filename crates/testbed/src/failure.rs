//! What can go wrong in a bed: an operation of the system, or a command that makes no sense.

use std::fmt::Display;
use std::io;
use std::path::Path;

/// A failure that names the thing that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{what}: {source}")]
    System { what: String, source: io::Error },
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

/// Names what was being done when the system refused.
pub(crate) trait While<T> {
    fn during(self, what: impl Display) -> Result<T, Failure>;
    fn on(self, path: impl AsRef<Path>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> While<T> for Result<T, E> {
    fn during(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::System { what: what.to_string(), source: error.into() })
    }

    fn on(self, path: impl AsRef<Path>) -> Result<T, Failure> {
        self.during(path.as_ref().display())
    }
}
