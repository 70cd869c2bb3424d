//! What the manager is told of the daemon.

use std::sync::Mutex;

use usb_daemon_core::{Fact, Notice, Onlooker};

use super::manager::Manager;

/// Tells the manager when everything present has been announced.
pub(crate) struct Readiness(Mutex<Manager>);

impl Readiness {
    pub(crate) fn new(manager: &Manager) -> Self {
        Self(Mutex::new(manager.handle()))
    }
}

impl Onlooker for Readiness {
    fn notice(&self, notice: &Notice) {
        if matches!(notice, Notice::Started) {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ready();
        }
    }

    fn fact(&self, _: &Fact<'_>) {}
}
