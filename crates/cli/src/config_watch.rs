//! A configuration file that changes is read again.

use std::path::Path;
use std::sync::Arc;

use crate::platform::config_watch::{ConfigWatch, INSTEAD};
use crate::stopper::Stopper;
use crate::teller::Teller;

/// Watches the file, if there is one that can change. Where it cannot be watched, that is said.
pub(crate) fn watch(file: Option<&Path>, stopper: &Arc<Stopper>, teller: &Teller) -> Option<ConfigWatch> {
    let file = file.filter(|file| file.is_file())?;
    let stopper = Arc::clone(stopper);
    let changed = move || {
        stopper.reload();
    };
    ConfigWatch::start(file, changed, teller).inspect_err(|error| deaf(teller, &error.to_string())).ok()
}

/// Says that changes go unnoticed from here on, and what can be done instead.
pub(crate) fn deaf(teller: &Teller, why: &str) {
    teller.config("deaf", &format!("{why}; changes of the file go unnoticed: {INSTEAD}"), &[]);
}
