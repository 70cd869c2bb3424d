//! Other systems than Linux: nothing says there when a device may be used, and nothing is told.

use super::{News, ReadyConfig, Tell};
use crate::error::Error;

/// Nobody.
pub struct ReadyWatch;

impl ReadyWatch {
    /// # Errors
    /// None.
    #[expect(clippy::unnecessary_wraps, reason = "Linux may have no thread more")]
    pub fn start(_: ReadyConfig, _: Tell) -> Result<Self, Error> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "Linux has somebody to tell")]
    pub fn send(&self, _: Vec<News>) {}
}
