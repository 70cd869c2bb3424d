//! The key `outbox`: where events are stored, how many, and how firmly.

use std::path::{Path, PathBuf};

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Published events that an outbox keeps on disk, and in memory.
const RETAIN_ON_DISK: u64 = 100_000;
const RETAIN_IN_MEMORY: u64 = 1_000;

/// Where events are stored, how many, and how firmly.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OutboxConfig {
    /// The file; memory where absent or `:memory:`.
    pub path: Option<PathBuf>,
    /// Published events that are kept for whoever asks later.
    #[cfg_attr(test, schemars(range(min = 0, max = 100_000_000)))]
    pub retain: Option<u64>,
    /// Events that may wait for Redis, and separately for the subscriber, before a gap is reported.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000_000)))]
    pub max_events: usize,
    /// Which events go when that many wait.
    pub when_full: WhenFull,
    /// Whether each commit waits for the disk, so that it survives a loss of power.
    pub fsync: bool,
    /// Whether the daemon refuses to start where the file cannot be used.
    pub required: bool,
}

/// Which events go when as many wait as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// The oldest: what comes last is true now.
    #[default]
    DropOldest,
    /// The newest: what came first stays whole.
    DropNewest,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            path: None,
            retain: None,
            max_events: 100_000,
            when_full: WhenFull::DropOldest,
            fsync: false,
            required: false,
        }
    }
}

impl OutboxConfig {
    pub(super) fn fault(&self) -> Option<String> {
        let lacks_file = self.required && self.file().is_none();
        lacks_file
            .then(|| "outbox.required is true, but there is no outbox.path: give the file's name".into())
    }

    /// The file, if there is to be one.
    pub fn file(&self) -> Option<&Path> {
        self.path.as_deref().filter(|path| *path != Path::new(":memory:"))
    }

    /// Published events that are kept.
    pub fn retained(&self) -> u64 {
        let default = if self.file().is_some() { RETAIN_ON_DISK } else { RETAIN_IN_MEMORY };
        self.retain.unwrap_or(default)
    }
}
