//! Where there is no sysfs, nothing is known beyond what an event tells.

use crate::device::{Device, InterfaceClass};

#[derive(Debug, Default)]
pub(super) struct Hardware {
    pub(super) hash: Option<String>,
    pub(super) parent_hash: Option<String>,
    pub(super) connect_type: Option<String>,
    pub(super) interfaces: Option<Vec<InterfaceClass>>,
}

impl Hardware {
    pub(super) fn of(_: &Device, _: Option<&Device>) -> Self {
        Self::default()
    }
}
