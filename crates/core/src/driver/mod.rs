//! Drivers for devices that have none, by rules (ADR 17).
//!
//! `plan` says what a rule asks for, as requests of a fixed grammar (`request`). Who carries them out (`kernel`, `modprobe`) is the
//! daemon itself or, behind a socket, the helper (`helper`), which does what root's list allows (`allow`) and nothing else.

mod allow;
mod attempt;
mod bind_uevents;
mod desk;
mod helper;
mod kernel;
mod modprobe;
mod outcome;
mod performer;
mod plan;
mod request;
mod rights;
mod running;
mod served;
mod worker;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use allow::AllowList;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use request::Request;
pub use rights::driver_plan;
pub(crate) use rights::{Lack, Rights, Unknown, driver_rights};
pub(crate) use running::{Drivers, RunningDrivers};
pub(crate) use served::MAY_NOT_ASK;
pub use served::serve_driver_requests;
