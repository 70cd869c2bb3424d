//! A rule as it was written, what is known of a device, and whether the rule is about it.

use super::condition::Condition;
use super::set::Set;
use crate::device::InterfaceClass;

/// What is known of a device.
///
/// Where a fact is `None` it is unknown: a rule that says anything about it matches where it blocks or rejects, and not where it
/// allows, whatever its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Vendor.
    pub vendor_id: u16,
    /// Product of that vendor.
    pub product_id: u16,
    /// Serial number; empty where the device has none.
    pub serial: Option<&'a str>,
    /// What the device calls its product; empty where it says nothing.
    pub name: Option<&'a str>,
    /// The port as the kernel calls it: `1-4.2`, or `usb1` for a root hub.
    pub port: &'a str,
    /// One for every interface descriptor, repeated ones too: USBGuard's `equals` counts them.
    pub interfaces: Option<&'a [InterfaceClass]>,
    /// USBGuard's hash of the device.
    pub hash: Option<&'a str>,
    /// USBGuard's hash of the hub that the device is at.
    pub parent_hash: Option<&'a str>,
    /// What the port is for: `hotplug`, `hardwired`, `not used` or `unknown`.
    pub connect_type: Option<&'a str>,
}

/// What a rule decides about the devices that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The device may be used.
    Allow,
    /// The device may not be used.
    Block,
    /// The device may not be used, and is to be taken off the system.
    Reject,
}

/// The word that a rule begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Decision(Decision),
    /// Describes a device: what USBGuard writes, and policies do not say.
    Device,
    /// Looks for devices: what a query says.
    Match,
}

impl Target {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "allow" => Self::Decision(Decision::Allow),
            "block" => Self::Decision(Decision::Block),
            "reject" => Self::Decision(Decision::Reject),
            "device" => Self::Device,
            "match" => Self::Match,
            _ => return None,
        })
    }
}

/// One line of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) target: Target,
    pub(super) attributes: Attributes,
    pub(super) conditions: Option<Set<Condition>>,
}

/// Which devices a rule is about. An attribute that is not there demands nothing; a label never does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) id: Option<Set<DeviceIdPattern>>,
    pub(super) hash: Option<Set<Vec<u8>>>,
    pub(super) parent_hash: Option<Set<Vec<u8>>>,
    pub(super) name: Option<Set<Vec<u8>>>,
    pub(super) serial: Option<Set<Vec<u8>>>,
    pub(super) via_port: Option<Set<Vec<u8>>>,
    pub(super) with_interface: Option<Set<InterfacePattern>>,
    pub(super) with_connect_type: Option<Set<Vec<u8>>>,
}

impl Attributes {
    /// `if_unknown`: whether a demand on what is unknown is met.
    pub(super) fn match_device(&self, subject: &Subject<'_>, if_unknown: bool) -> bool {
        let id = (subject.vendor_id, subject.product_id);
        let fits = |demanded: &Option<Set<Vec<u8>>>, found: Option<&str>| {
            demanded.as_ref().is_none_or(|set| {
                let admits = |found| set.admits(&[found], |value, found: &&str| value == found.as_bytes());
                found.map_or(if_unknown, admits)
            })
        };
        self.id.as_ref().is_none_or(|set| set.admits(&[id], |pattern, id| pattern.fits(*id)))
            && fits(&self.hash, subject.hash)
            && fits(&self.parent_hash, subject.parent_hash)
            && fits(&self.name, subject.name)
            && fits(&self.serial, subject.serial)
            && fits(&self.via_port, Some(subject.port))
            && fits(&self.with_connect_type, subject.connect_type)
            && self.with_interface.as_ref().is_none_or(|set| {
                let admits =
                    |found| set.admits(found, |pattern, found: &InterfaceClass| pattern.fits(*found));
                subject.interfaces.map_or(if_unknown, admits)
            })
    }
}

/// Vendor and product: `1d6b:0002`, `1d6b:*` or `*:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceIdPattern {
    Any,
    Vendor(u16),
    Product(u16, u16),
}

impl DeviceIdPattern {
    fn fits(self, found: (u16, u16)) -> bool {
        match self {
            Self::Any => true,
            Self::Vendor(vendor) => vendor == found.0,
            Self::Product(vendor, product) => (vendor, product) == found,
        }
    }
}

/// Class, subclass and protocol of an interface: `03:01:02`, `03:01:*` or `03:*:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InterfacePattern {
    Class(u8),
    Subclass(u8, u8),
    Protocol(u8, u8, u8),
}

impl InterfacePattern {
    fn fits(self, found: InterfaceClass) -> bool {
        match self {
            Self::Class(class) => class == found.class,
            Self::Subclass(class, subclass) => (class, subclass) == (found.class, found.subclass),
            Self::Protocol(class, subclass, protocol) => {
                (class, subclass, protocol) == (found.class, found.subclass, found.protocol)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser;
    use super::*;

    fn keyboard() -> Subject<'static> {
        Subject {
            vendor_id: 0x046d,
            product_id: 0xc31c,
            serial: Some(""),
            name: Some("USB Keyboard"),
            port: "1-4.2",
            interfaces: Some(&[
                InterfaceClass { class: 3, subclass: 1, protocol: 1 },
                InterfaceClass { class: 3, subclass: 0, protocol: 0 },
            ]),
            hash: Some("h"),
            parent_hash: None,
            connect_type: Some("hotplug"),
        }
    }

    #[test]
    fn a_rule_matches_where_all_its_attributes_do() {
        for (attributes, matches) in [
            ("", true),
            ("046d:c31c", true),
            ("046D:C31C", true),
            ("046d:c31d", false),
            ("id 046d:*", true),
            ("id 046e:*", false),
            ("*:*", true),
            ("id one-of { 046d:0001 046d:c31c }", true),
            ("id { 046d:0001 046d:c31c }", false),
            ("id none-of { 046d:0001 }", true),
            ("id match-all { 046d:* 1d6b:* }", true),
            ("name \"USB Keyboard\"", true),
            ("name \"USB\"", false),
            ("serial \"\"", true),
            ("serial \"1\"", false),
            ("via-port \"1-4.2\"", true),
            ("via-port one-of { \"1-4\" \"usb1\" }", false),
            ("hash \"h\" with-connect-type \"hotplug\"", true),
            ("hash \"h\" with-connect-type \"hardwired\"", false),
            ("with-interface 03:01:01", false),
            ("with-interface { 03:00:00 03:01:01 }", true),
            ("with-interface equals-ordered { 03:00:* 03:01:* }", false),
            ("with-interface equals-ordered { 03:01:* 03:*:* }", true),
            ("with-interface all-of { 03:01:* }", true),
            ("with-interface match-all { 03:*:* 08:*:* }", true),
            ("with-interface match-all { 03:01:* 08:*:* }", false),
            ("label \"USB\"", true),
        ] {
            let line = format!("allow {attributes}");
            let rule = parser::rule(&line).expect("no fault").expect("a rule");
            assert_eq!(rule.attributes.match_device(&keyboard(), false), matches, "{attributes}");
        }
    }

    #[test]
    fn a_demand_on_what_is_unknown_is_met_as_is_asked_for() {
        let unknown = Subject { hash: None, connect_type: None, name: None, serial: None, ..keyboard() };
        for attribute in ["hash", "parent-hash", "with-connect-type", "name", "serial"] {
            for values in ["\"\"", "none-of { \"x\" }", "match-all { \"x\" }"] {
                let rule = parser::rule(&format!("allow {attribute} {values}")).expect("no fault");
                let attributes = rule.expect("a rule").attributes;
                for answer in [false, true] {
                    assert_eq!(attributes.match_device(&unknown, answer), answer, "{attribute} {values}");
                }
            }
        }
    }
}
