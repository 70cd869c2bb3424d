//! What can be changed while the daemon runs: filters, and limits of publishing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::config::{
    Config, Described, FiltersConfig, PerformanceConfig, of_object, part_of_config, read_merged,
};
use crate::engine::{Inbox, Message};
use crate::error::Error;
use crate::filter::Filters;
use crate::publisher::Limits;

/// What holds, and where a change has to be told.
pub(crate) struct Settings {
    inbox: Arc<Inbox>,
    limits: watch::Sender<Limits>,
    held: Mutex<Held>,
    filters: Mutex<Arc<Filters>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
struct Held {
    filters: FiltersConfig,
    performance: PerformanceConfig,
}

impl Described for Held {
    fn schema() -> Value {
        of_object(["filters", "performance"].map(|key| (key, part_of_config(&format!("/{key}")))))
    }
}

impl Settings {
    /// `filters` are those in force.
    pub(crate) fn new(
        config: &Config,
        filters: Arc<Filters>,
        inbox: Arc<Inbox>,
        limits: watch::Sender<Limits>,
    ) -> Self {
        Self { inbox, limits, held: Mutex::new(Held::of(config)), filters: Mutex::new(filters) }
    }

    /// Filters and limits of `config` hold from now on: for what comes, and for what waits for Redis.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` where they name a file that cannot be read; then nothing has changed.
    pub(crate) fn reload(&self, config: &Config) -> Result<(), Error> {
        let filters = Filters::new(&config.filters)?;
        let mut held = self.lock();
        // What only a start reads stays as it was.
        let debounce_ms = held.performance.debounce_ms;
        *held = Held::of(config);
        held.performance.debounce_ms = debounce_ms;
        self.apply(&held, filters);
        Ok(())
    }

    /// Filters and performance that are in force, as the configuration has them.
    pub(crate) fn in_force(&self) -> Value {
        self.lock().as_json()
    }

    /// Each key that is given takes the place of the one in force. Gives what is in force then.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming all that is wrong; then nothing has changed.
    pub(crate) fn change(&self, json: &str) -> Result<Value, Error> {
        let mut held = self.lock();
        let changed: Held = read_merged(json, held.as_json())?;
        let mut faults = changed.filters.faults();
        if changed.performance.debounce_ms != held.performance.debounce_ms {
            let message = "performance.debounce_ms cannot be changed while the daemon runs: set it in the configuration";
            faults.push(message.into());
        }
        // Whoever may change filters need not be allowed to have any file of this machine read.
        if changed.filters.usbguard_rules != held.filters.usbguard_rules {
            faults.push(
                "filters.usbguard_rules cannot be changed over HTTP: set it in the configuration".into(),
            );
        }
        if !faults.is_empty() {
            return Err(Error::of_faults(faults));
        }
        let filters = self.filters().changed(&changed.filters);
        *held = changed;
        self.apply(&held, filters);
        tracing::info!("filters and limits have been changed over HTTP");
        Ok(held.as_json())
    }

    /// Under the lock, so that the last change is the one that holds.
    fn apply(&self, held: &Held, filters: Filters) {
        let filters = Arc::new(filters);
        *self.filters() = Arc::clone(&filters);
        self.inbox.send(Message::Filters(filters));
        self.limits.send_replace(Limits::from(&held.performance));
    }

    fn filters(&self) -> MutexGuard<'_, Arc<Filters>> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // What it guards is whole between any two statements.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn of(config: &Config) -> Self {
        Self { filters: config.filters.clone(), performance: config.performance.clone() }
    }

    fn as_json(&self) -> Value {
        // Numbers, texts and lists: nothing in it can fail to be written.
        serde_json::to_value(self).unwrap_or_else(|_| Map::new().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::says_what_is_derived;

    #[test]
    fn the_schema_says_what_the_types_do() {
        says_what_is_derived::<Held>();
    }
}
