//! What has been done for a device that had no driver, as it is told.

use serde::Serialize;

/// One device and one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriverReport {
    /// What has come of it.
    pub state: DriverState,
    /// Which device: the signature of its attachment.
    pub signature: String,
    /// The attach that this followed.
    pub event_id: String,
    /// What the kernel calls it: `1-4.2`.
    pub device: String,
    /// Which rule, counted from 0.
    pub rule: usize,
    /// Interfaces that had no driver, and have one now.
    pub interfaces: Vec<BoundInterface>,
    /// What was asked for, in order: `module usbserial`, `new-id generic 1209 dead`.
    pub requests: Vec<String>,
    /// How often it was tried; 0 where it was only planned, or there were never interfaces to try it with.
    pub attempts: u32,
    /// Why it has failed; of what is bound, what has failed all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, in ms since 1970.
    pub timestamp: u64,
}

/// An interface that has got a driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundInterface {
    /// What the kernel calls it: `1-4.2:1.0`.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// Whether the kernel's `bind` uevent has said so too; where none can be heard, sysfs alone does.
    pub heard: bool,
}

/// What has come of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverState {
    /// An interface has got a driver.
    Bound,
    /// The kernel uses nothing of it any more.
    Denied,
    /// The kernel uses it again.
    Authorized,
    /// It would be done, were it not for `drivers.dry_run`.
    Planned,
    /// It was tried as often as it may be, the helper has refused it, or the device has got no interfaces.
    Failed,
}

impl DriverState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bound, Self::Denied, Self::Authorized, Self::Planned, Self::Failed];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Denied => "denied",
            Self::Authorized => "authorized",
            Self::Planned => "planned",
            Self::Failed => "failed",
        }
    }
}

/// What has come of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The device is as the rule wants it.
    Done,
    /// It is not; another try may help.
    Failed,
    /// The helper will not do it, however often it is asked.
    Refused,
}

impl AttemptOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::Refused];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// What a rule would do for a device that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriverPlan {
    /// What the kernel calls the device.
    pub device: String,
    /// Four hex digits.
    pub vendor_id: String,
    /// Four hex digits.
    pub product_id: String,
    /// Which rule, counted from 0.
    pub rule: usize,
    /// In order; none where nothing is to be done.
    pub steps: Vec<DriverStep>,
}

/// One of its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriverStep {
    /// As the helper would be asked: `bind ftdi_sio 1-4.2:1.0`.
    pub request: String,
    /// The right that whoever asks now lacks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
}
