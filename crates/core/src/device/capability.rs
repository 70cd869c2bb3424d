//! What a device can do, in words: `hid:keyboard`, `storage:uas`, `serial:cdc-acm`.
//!
//! Made of the class, subclass and protocol of its interfaces, which are known of every device that anybody describes, of what groups them
//! where the descriptors are known (`function`), and named after the USB-IF's class codes (usb.org, "Defined Class Codes", and the specifications of the classes that it refers to). A word has the
//! form `<group>:<kind>`; the kind is `other` where the codes say no more than the group. Vendor-specific interfaces are `vendor:other`,
//! but for the two of Android's that everybody knows; Microsoft's 02/02/ff for RNDIS is taken as what it is meant to be.

use super::{DeviceDescriptor, Functions, InterfaceClass};

const HUB: u8 = 0x09;
const CDC_DATA: u8 = 0x0a;
const RNDIS: &str = "network:rndis";
const VENDOR: &str = "vendor:other";

/// What these interfaces are for, each word once, in their order, and what the device has for some platforms. A device of which no
/// interface says anything, as a hub that is not configured, is what it says at the top.
pub(crate) fn capabilities(
    descriptor: &DeviceDescriptor,
    interfaces: &[InterfaceClass],
    functions: &Functions,
) -> Vec<&'static str> {
    let own = descriptor.class();
    let all = if functions.classes.is_empty() { interfaces } else { &functions.classes };
    let mut found = Vec::new();
    let mut add = |word: Option<&'static str>| {
        if let Some(word) = word.filter(|word| !found.contains(word)) {
            found.push(word);
        }
    };
    for &interface in all {
        // A hub's interfaces are its ways to translate: which of them it has, and that it is one of USB 3, it says itself.
        let is_the_hub = interface.class == HUB && own.class == HUB;
        add(word(if is_the_hub { own } else { interface }));
    }
    if found.is_empty() {
        found.extend(word(own));
    }
    found.extend(functions.platforms.iter().map(|platform| platform.word()));
    found
}

/// It controls what flows through other interfaces, as CDC has it.
pub(super) fn is_communication(interface: InterfaceClass) -> bool {
    interface.class == 0x02 || word(interface) == Some(RNDIS)
}

/// Its codes leave it to others to say what it is for.
pub(super) fn says_nothing(interface: InterfaceClass) -> bool {
    matches!(word(interface), None | Some(VENDOR))
}

/// None where the codes say that others decide: class 0, those with which a device announces that its interfaces belong together, and the
/// data of a communication interface.
fn word(InterfaceClass { class, subclass, protocol }: InterfaceClass) -> Option<&'static str> {
    Some(match (class, subclass, protocol) {
        (0x00 | CDC_DATA, ..) | (0xef, 0x02, 0x01 | 0x02) => return None,
        (0x01, 0x03, _) => "audio:midi",
        (0x01, _, 0x00) => "audio:uac1",
        (0x01, _, 0x20) => "audio:uac2",
        (0x01, _, 0x30) => "audio:uac3",
        (0x01, ..) => "audio:other",
        (0x02, 0x02, 0xff) | (0xe0, 0x01, 0x03) | (0xef, 0x04, 0x01..=0x07) => RNDIS,
        (0x02, 0x02, _) => "serial:cdc-acm",
        (0x02, 0x03, _) => "telephony:tcm",
        (0x02, 0x06, _) => "network:cdc-ecm",
        (0x02, 0x08, _) => "modem:whcm",
        (0x02, 0x09, _) => "modem:cdc-wdm",
        (0x02, 0x0a, _) => "modem:cdc-mdlm",
        (0x02, 0x0b, _) => "modem:cdc-obex",
        (0x02, 0x0c, _) => "network:cdc-eem",
        (0x02, 0x0d, _) => "network:cdc-ncm",
        (0x02, 0x0e, _) => "network:mbim",
        (0x02, ..) => "cdc:other",
        (0x03, 0x01, 0x01) => "hid:keyboard",
        (0x03, 0x01, 0x02) => "hid:mouse",
        (0x03, ..) => "hid:other",
        (0x05, ..) => "physical:other",
        (0x06, 0x01, 0x01) => "image:ptp",
        (0x06, ..) => "image:other",
        (0x07, 0x01, 0x01) => "printer:unidirectional",
        (0x07, 0x01, 0x02) => "printer:bidirectional",
        (0x07, 0x01, 0x03) => "printer:ieee1284.4",
        (0x07, 0x01, 0x04) => "printer:ipp-usb",
        (0x07, ..) => "printer:other",
        (0x08, _, 0x00 | 0x01) => "storage:cbi",
        (0x08, _, 0x50) => "storage:bulk-only",
        (0x08, _, 0x62) => "storage:uas",
        (0x08, ..) => "storage:other",
        (HUB, _, 0x00) => "hub:no-tt",
        (HUB, _, 0x01) => "hub:single-tt",
        (HUB, _, 0x02) => "hub:multi-tt",
        (HUB, _, 0x03) => "hub:superspeed",
        (HUB, ..) => "hub:other",
        (0x0b, 0x00, 0x00) => "smartcard:ccid",
        (0x0b, 0x00, 0x01) => "smartcard:iccd-a",
        (0x0b, 0x00, 0x02) => "smartcard:iccd-b",
        (0x0b, ..) => "smartcard:other",
        (0x0d, ..) => "content-security:other",
        (0x0e, 0x01..=0x03, 0x00 | 0x01) => "video:uvc",
        (0x0e, ..) => "video:other",
        (0x0f, ..) => "health:other",
        (0x10, 0x01, _) => "av:control",
        (0x10, 0x02, _) => "av:video",
        (0x10, 0x03, _) => "av:audio",
        (0x10, ..) => "av:other",
        (0x11, ..) => "billboard:other",
        (0x12, ..) => "type-c-bridge:other",
        (0x13, ..) => "display:bulk",
        (0x14, ..) => "management:mctp",
        (0x3c, ..) => "i3c:other",
        (0xdc, ..) => "diagnostic:other",
        (0xe0, 0x01, 0x01) => "wireless:bluetooth",
        (0xe0, 0x01, 0x02) => "wireless:uwb",
        (0xe0, 0x01, 0x04) => "wireless:bluetooth-amp",
        (0xe0, 0x02, _) => "wireless:wire-adapter",
        (0xe0, ..) => "wireless:other",
        (0xef, 0x01, 0x01) => "sync:activesync",
        (0xef, 0x01, 0x02) => "sync:palm",
        (0xef, 0x05, _) => "video:usb3-vision",
        (0xef, ..) => "miscellaneous:other",
        (0xfe, 0x01, 0x01) => "firmware:dfu-runtime",
        (0xfe, 0x01, 0x02) => "firmware:dfu",
        (0xfe, 0x02, _) => "irda:bridge",
        (0xfe, 0x03, 0x01) => "instrument:usb488",
        (0xfe, 0x03, _) => "instrument:usbtmc",
        (0xfe, ..) => "application:other",
        (0xff, 0x42, 0x01) => "debug:adb",
        (0xff, 0x42, 0x03) => "firmware:fastboot",
        (0xff, ..) => VENDOR,
        _ => "unknown:other",
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Deserialize;

    use super::*;
    use crate::device::bos::Platform;
    use crate::device::configuration::{Configurations, configurations};
    use crate::device::hid_report;
    use crate::test_support::bytes;

    /// The descriptors of real devices, as public test suites have recorded them, with the words that each should give.
    const FIXTURES: &str = include_str!("../../fixtures/usb-descriptors.json");

    #[derive(Deserialize)]
    struct Fixture {
        vendor_id: String,
        product_id: String,
        source: String,
        descriptors: String,
        capabilities: Vec<String>,
    }

    /// Those of every USB device that QEMU has, as `__test__/kernel-capabilities.test.mjs` has read them in a real kernel.
    const QEMU: &str = include_str!("../../fixtures/qemu-descriptors.json");

    #[derive(Deserialize)]
    struct Emulated {
        kind: String,
        descriptors: String,
        capabilities: Vec<String>,
        reports: Vec<String>,
        report_capabilities: Vec<String>,
    }

    fn of(class: u8, interfaces: &[(u8, u8, u8)]) -> Vec<&'static str> {
        let descriptor = DeviceDescriptor { b_device_class: class, ..DeviceDescriptor::default() };
        let interfaces: Vec<_> = interfaces
            .iter()
            .map(|&(class, subclass, protocol)| InterfaceClass { class, subclass, protocol })
            .collect();
        capabilities(&descriptor, &interfaces, &Functions::default())
    }

    fn of_raw(descriptors: &str) -> (Vec<String>, Option<String>) {
        let raw = bytes(descriptors);
        let descriptor = DeviceDescriptor::parse(&raw).expect("a device descriptor");
        let Configurations { interfaces, functions: classes, fault, .. } = configurations(&raw, false);
        let found = capabilities(&descriptor, &interfaces, &Functions { classes, platforms: Vec::new() });
        (found.into_iter().map(String::from).collect(), fault)
    }

    #[test]
    fn real_devices_can_do_what_they_are_known_to_do() {
        let fixtures: Vec<Fixture> = serde_json::from_str(FIXTURES).expect("fixtures");
        assert_eq!(fixtures.len(), 52);
        for Fixture { vendor_id, product_id, source, descriptors, capabilities: expected } in fixtures {
            assert_eq!(of_raw(&descriptors), (expected, None), "{vendor_id}:{product_id} of {source}");
        }
    }

    #[test]
    fn emulated_devices_can_do_what_they_are_known_to_do() {
        let fixtures: Vec<Emulated> = serde_json::from_str(QEMU).expect("fixtures");
        assert_eq!(fixtures.len(), 14);
        for Emulated { kind, descriptors, capabilities: expected, reports, report_capabilities } in fixtures {
            assert_eq!(of_raw(&descriptors), (expected, None), "{kind}");
            let reports = reports.iter().map(|report| hid_report::report_usages(&bytes(report)));
            let (words, faults): (Vec<_>, Vec<_>) = reports.map(|found| (found.words, found.fault)).unzip();
            assert_eq!(words.concat(), report_capabilities, "{kind}");
            assert!(faults.iter().all(Option::is_none), "{kind}: {faults:?}");
        }
    }

    #[test]
    fn alternate_settings_and_functions_count_each_once() {
        // A disk that speaks both, a keyboard with media keys, a phone that tethers and is debugged.
        assert_eq!(of(0, &[(8, 6, 0x50), (8, 6, 0x62)]), ["storage:bulk-only", "storage:uas"]);
        assert_eq!(of(0, &[(3, 1, 1), (3, 0, 0), (3, 0, 1)]), ["hid:keyboard", "hid:other"]);
        assert_eq!(of(0xef, &[(0xe0, 1, 3), (0x0a, 0, 0), (0xff, 0x42, 1)]), ["network:rndis", "debug:adb"]);
    }

    #[test]
    fn a_data_interface_is_what_its_communication_interface_says() {
        assert_eq!(of(2, &[(2, 2, 1), (0x0a, 0, 0)]), ["serial:cdc-acm"]);
        assert_eq!(of(2, &[(2, 0x0e, 0), (0x0a, 0, 2)]), ["network:mbim"]);
        assert_eq!(of(0, &[(0x0a, 0, 2)]), Vec::<&str>::new());
        assert_eq!(of(2, &[(0x0a, 0, 0)]), ["cdc:other"]);
    }

    #[test]
    fn what_no_interface_says_is_what_it_says_at_the_top() {
        assert_eq!(of(9, &[]), ["hub:no-tt"]);
        // What calls itself a hub hides nothing by that.
        assert_eq!(of(9, &[(9, 0, 1), (9, 0, 2), (3, 1, 1)]), ["hub:no-tt", "hid:keyboard"]);
        assert_eq!(of(0, &[]), Vec::<&str>::new());
        assert_eq!(of(0xff, &[]), ["vendor:other"]);
        assert_eq!(of(0, &[(0, 0, 0), (0x77, 1, 1)]), ["unknown:other"]);
    }

    /// Words in code style.
    fn listed(list: &str) -> BTreeSet<&str> {
        list.split('`').filter(|word| word.contains(':')).collect()
    }

    #[test]
    fn every_word_stands_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CAPABILITIES.md");
        let page = std::fs::read_to_string(page).expect("the page");
        let (attach, report) = page.split_once("## From HID report descriptors").expect("two lists");
        let (report, _) = report.split_once("## From interface strings").expect("three lists");
        let (_, attach) = attach.split_once("## At attach").expect("a list");
        let mut found: BTreeSet<_> = Platform::ALL.into_iter().map(Platform::word).collect();
        let mut last = None;
        for code in 0..=0x00ff_ffff_u32 {
            let [_, class, subclass, protocol] = code.to_be_bytes();
            let word = word(InterfaceClass { class, subclass, protocol });
            if word != last {
                found.extend(word);
                last = word;
            }
        }
        assert_eq!(listed(attach), found);
        let usages = (0..=u16::MAX)
            .flat_map(|page| [1, 2, 4, 5, 6, 7, 8, 0x80].map(|usage| hid_report::word(page, usage)));
        assert_eq!(listed(report), usages.collect());
    }

    #[test]
    fn every_code_has_a_word_of_two_parts_or_leaves_it_to_others() {
        for code in 0..=0x00ff_ffff_u32 {
            let [_, class, subclass, protocol] = code.to_be_bytes();
            let Some(word) = word(InterfaceClass { class, subclass, protocol }) else {
                assert!([0, CDC_DATA, 0xef].contains(&class), "{class:02x}/{subclass:02x}/{protocol:02x}");
                continue;
            };
            let (group, kind) = word.split_once(':').expect("two parts");
            let is_word = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte)
                    })
            };
            assert!(is_word(group) && is_word(kind), "{word}");
        }
    }
}
