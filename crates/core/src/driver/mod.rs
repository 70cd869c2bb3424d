//! Drivers for devices that have none, by rules (ADR 17).
//!
//! `plan` says what a rule asks for, as requests of a fixed grammar (`request`). Who carries them out (`kernel`, `modprobe`) is the
//! daemon itself or, behind a socket, the helper (`helper`), which does what root's list allows (`allow`) and nothing else.

mod allow;
mod attempt;
mod bind_uevents;
mod helper;
mod kernel;
mod modprobe;
mod outcome;
mod performer;
mod plan;
mod request;
mod running;
mod served;
mod worker;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use allow::AllowList;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use request::Request;
pub(crate) use running::{Drivers, RunningDrivers};
pub use served::serve_driver_requests;

use crate::config::DriversConfig;
use crate::driver_report::{DriverPlan, DriverStep};
use crate::error::Error;
use crate::present::present_devices;
use kernel::Kernel;
use performer::Performer;

/// What the rules would do now for what is connected, and what is lacking for it. Changes nothing.
///
/// # Errors
/// `ERR_USB_SYSTEM` where the bus cannot be listed.
pub fn driver_plan(config: &DriversConfig) -> Result<Vec<DriverPlan>, Error> {
    let (kernel, performer) = (Kernel::new(), Performer::new(config));
    let mut plans = Vec::new();
    for present in present_devices()? {
        let device = present.device();
        let Some(rule) = config.rule_for(device) else { continue };
        let Some(facts) = kernel.facts(&device.port_path.name()) else { continue };
        let step = |request: &request::Request| DriverStep {
            request: request.to_string(),
            lacks: performer.lacks(request),
        };
        plans.push(DriverPlan {
            steps: plan::plan(&config.rules[rule], &facts).iter().map(step).collect(),
            device: facts.name,
            vendor_id: format!("{:04x}", facts.vendor),
            product_id: format!("{:04x}", facts.product),
            rule,
        });
    }
    Ok(plans)
}
