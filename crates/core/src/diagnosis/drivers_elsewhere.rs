//! Rules for drivers: only Linux has drivers to bind.

use super::{Finding, Tell};
use crate::config::Config;
use crate::driver::driver_plan;

pub(super) fn rules(config: &Config, tell: Tell<'_>) {
    let subject = "drivers";
    if config.drivers.rules.is_empty() {
        return tell(Finding::ok(
            subject,
            "no rules, and nothing that could be done by them: only Linux has drivers to bind",
        ));
    }
    if let Err(error) = driver_plan(&config.drivers) {
        let found = format!("{} ({})", error.message, error.code.as_str());
        tell(Finding::fail(subject, found, "leave drivers.rules out"));
    }
}
