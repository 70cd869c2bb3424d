//! Only Linux has drivers to bind: rules are read, and whoever has some is told that nothing comes of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::config::DriversConfig;
use crate::driver_report::DriverPlan;
use crate::error::{Code, Error};
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::{Fact, Onlooker};

/// Rules that nothing comes of.
pub(crate) struct Drivers;

/// As if they had been carried out.
pub(crate) struct RunningDrivers;

impl Drivers {
    pub(crate) fn new(config: &DriversConfig) -> Option<Self> {
        (!config.rules.is_empty()).then_some(Self)
    }

    #[expect(clippy::unused_self, reason = "on Linux it has rules")]
    pub(crate) fn onlooker(&self) -> Arc<dyn Onlooker> {
        Arc::new(Blind)
    }

    #[expect(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        clippy::needless_pass_by_value,
        reason = "on Linux a thread starts"
    )]
    pub(crate) fn start(self, hub: Hub) -> Result<RunningDrivers, Error> {
        let error = unavailable();
        tracing::error!(code = error.code.as_str(), "{error}");
        hub.tell(&Notice::Error { error, context: "drivers" });
        Ok(RunningDrivers)
    }
}

impl RunningDrivers {
    #[expect(clippy::unused_self, reason = "on Linux a thread is asked")]
    pub(crate) fn ask_to_stop(&self) {}

    #[expect(clippy::unused_self, reason = "on Linux a thread ends")]
    pub(crate) fn stop(self, _: Duration) {}
}

struct Blind;

impl Onlooker for Blind {
    fn notice(&self, _: &Notice) {}
    fn fact(&self, _: &Fact<'_>) {}
}

/// What the rules would do.
///
/// # Errors
/// Always: nothing.
pub fn driver_plan(_: &DriversConfig) -> Result<Vec<DriverPlan>, Error> {
    Err(unavailable())
}

/// Answers requests.
///
/// # Errors
/// Always: nobody can.
pub fn serve_driver_requests(_: &Path) -> Result<(), Error> {
    Err(unavailable())
}

fn unavailable() -> Error {
    Error::new(Code::Driver, "drivers.rules are unavailable here: only Linux has drivers to bind")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_is_told_that_nothing_comes_of_it() {
        for error in [
            driver_plan(&DriversConfig::default()).expect_err("none"),
            serve_driver_requests(Path::new("/x")).expect_err("none"),
        ] {
            assert_eq!(error.code, Code::Driver);
            assert!(error.message.contains("only Linux has drivers to bind"), "{error}");
        }
        assert!(Drivers::new(&DriversConfig::default()).is_none());
    }
}
