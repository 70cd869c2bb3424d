//! What is told of a device that may be used now, or of what stands in the way.

use serde::Serialize;

use crate::device::is_among;

/// How far a device is: who drives it, which nodes it has, what is missing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Nothing stands in the way.
    pub is_ready: bool,
    /// What does.
    pub obstacles: Vec<Obstacle>,
    /// When it was found, in ms since 1970.
    pub timestamp: u64,
    /// Time in ms from when this run of the daemon has seen the device.
    pub elapsed_ms: f64,
    /// The interfaces of the configuration that is set, in their order.
    pub interfaces: Vec<ReadyInterface>,
    /// What the device can do: the words of its attach and, of HID, what its report descriptors say.
    pub capabilities: Vec<&'static str>,
    /// Device nodes and network interfaces, the device's own node first.
    pub nodes: Vec<Node>,
}

impl Readiness {
    /// Whether the device can do this, as is known by now: as [`crate::Device::can`].
    pub fn can(&self, wanted: &str) -> bool {
        is_among(wanted, &self.capabilities)
    }

    /// Whether this stands in the way.
    pub(crate) fn has(&self, reason: Reason) -> bool {
        self.obstacles.iter().any(|obstacle| obstacle.reason == reason)
    }
}

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Of which kind.
    pub reason: Reason,
    /// A sentence that names what, and for whom.
    pub detail: String,
}

/// Kinds of what stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The kernel has not finished with the device: a driver probes.
    KernelBusy,
    /// It has no interfaces, as where it is not authorized or no configuration can be set.
    NotConfigured,
    /// An interface of a class that the kernel drives has no driver, or what HID has found there has none.
    NoDriver,
    /// A driver has not made the node that it is there for.
    NoNode,
    /// udev has not finished with what the kernel has told it of.
    UdevBusy,
    /// The process may open none of the nodes.
    NoPermission,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::KernelBusy,
        Self::NotConfigured,
        Self::NoDriver,
        Self::NoNode,
        Self::UdevBusy,
        Self::NoPermission,
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KernelBusy => "kernel-busy",
            Self::NotConfigured => "not-configured",
            Self::NoDriver => "no-driver",
            Self::NoNode => "no-node",
            Self::UdevBusy => "udev-busy",
            Self::NoPermission => "no-permission",
        }
    }
}

/// An interface and its driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyInterface {
    /// Its number.
    pub number: u8,
    /// Its class.
    pub class: u8,
    /// Whose it is; none where a program may take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
}

/// A device node, or a network interface, which has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Of the kernel's: `tty`, `block`, `hidraw`, `input`, `net`, `usb` …
    pub subsystem: String,
    /// The kernel's name: `ttyUSB0`, `sda1`, `eth0`.
    pub name: String,
    /// Where it is: `/dev/ttyUSB0`. None of a network interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Number of the interface that it belongs to; none of the device's own node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<u8>,
    /// That interface's driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Names that udev gives it, which outlive a replug: `/dev/serial/by-id/…`.
    pub links: Vec<String>,
    /// Permission bits, owner and group.
    #[serde(flatten)]
    pub rights: Option<Rights>,
    /// How this process may open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Of a partition: the path of the whole disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Of a file system: its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Of a file system: its UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Of a file system: its type, as in `vfat`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
}

/// Who may open a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// Permission bits: 0o660.
    pub mode: u32,
    /// The owner's ID.
    pub uid: u32,
    /// The group's ID.
    pub gid: u32,
}

/// How this process may open a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Not at all.
    None,
    /// To read.
    Read,
    /// To write.
    Write,
    /// Both.
    ReadWrite,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_word_wherever_it_is_told() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).expect("a word"), reason.as_str());
        }
    }
}
