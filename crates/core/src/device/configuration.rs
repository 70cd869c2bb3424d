//! The configurations that follow the device descriptor, read from the raw bytes that sysfs keeps.

use std::collections::{BTreeSet, HashSet};

use super::descriptor::{DEVICE_DESCRIPTOR_LENGTH, InterfaceClass, Power};
use super::function::Grouping;
use super::walk::{Walk, fault, too_short};

const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const INTERFACE_ASSOCIATION: u8 = 0x0b;
/// Belongs to the interface before it, whose class says what it means.
const CLASS_SPECIFIC: u8 = 0x24;
/// Of a configuration's and of an interface's descriptor.
const LEAST_LENGTH: usize = 9;
/// Where the device descriptor says how many configurations there are; in sysfs, how many Linux has taken.
const COUNT_AT: usize = 17;
/// As many as Linux takes in a configuration, and with all their alternate settings.
const MOST_INTERFACES: usize = 32;
pub const MOST_CLASSES: usize = MOST_INTERFACES * 128;

/// What the configurations say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Configurations {
    /// The distinct classes of all their interfaces and alternate settings, in the descriptors' order.
    pub interfaces: Vec<InterfaceClass>,
    /// The same, as interface associations and CDC unions have them read; empty where those change nothing.
    pub functions: Vec<InterfaceClass>,
    /// Of the first one.
    pub power: Option<Power>,
    /// The first thing in them that is not as USB has it. What came before it stands; what comes after it, only where it can be found.
    pub fault: Option<String>,
}

/// Reads the raw bytes because at `add` no configuration has been chosen yet, and the interface directories do not exist.
///
/// No bytes make this fail, and the time that it takes grows with their number alone. `is_super_speed` is the unit of power.
pub fn configurations(bytes: &[u8], is_super_speed: bool) -> Configurations {
    let mut found = Configurations::default();
    let mut seen = HashSet::new();
    let mut grouping = Grouping::default();
    let mut walk = Walk::from(bytes, DEVICE_DESCRIPTOR_LENGTH);
    for (at, descriptor) in &mut walk {
        match (descriptor[1], descriptor) {
            (CONFIGURATION, [_, _, _, _, _, _, _, attributes, power, ..]) => {
                grouping.end_configuration();
                found.power.get_or_insert_with(|| Power::of(*attributes, *power, is_super_speed));
            }
            (CONFIGURATION, _) => found.fail(|| too_short(at, descriptor, LEAST_LENGTH)),
            (INTERFACE, _) => match interface(descriptor) {
                Some(class) if !seen.contains(&class) && seen.len() == MOST_CLASSES => {
                    found.fail(|| fault(at, format_args!("is of yet another class, after {MOST_CLASSES}")));
                }
                Some(class) => {
                    if seen.insert(class) {
                        found.interfaces.push(class);
                    }
                    grouping.interface(descriptor[2], class);
                }
                None => found.fail(|| too_short(at, descriptor, LEAST_LENGTH)),
            },
            (INTERFACE_ASSOCIATION, _) => {
                if let Err(fault) = grouping.associate(at, descriptor) {
                    found.fail(|| fault);
                }
            }
            (CLASS_SPECIFIC, _) => {
                if let Err(fault) = grouping.class_specific(at, descriptor) {
                    found.fail(|| fault);
                }
            }
            _ => {}
        }
    }
    if let Some(fault) = walk.fault() {
        found.fail(|| fault);
    }
    match grouping.functions(MOST_CLASSES) {
        Ok(functions) => found.functions = functions,
        Err(fault) => found.fail(|| fault),
    }
    if found.functions == found.interfaces {
        found.functions = Vec::new();
    }
    found
}

/// How many interfaces Linux makes of each configuration in what sysfs has: one for each number that is there, whatever the configuration says.
///
/// A configuration may say that it is longer than it is: Linux cuts it at the first descriptor whose length leads nowhere, and what follows is the
/// next one. So one that lies within another is passed over, as Linux does, only where there are more than the device descriptor says.
pub fn interface_counts(bytes: &[u8]) -> Vec<usize> {
    let is_configuration =
        |descriptor: &[u8]| descriptor[1] == CONFIGURATION && descriptor.len() >= LEAST_LENGTH;
    let walk = || Walk::from(bytes, DEVICE_DESCRIPTOR_LENGTH);
    let there_are = walk().filter(|(_, descriptor)| is_configuration(descriptor)).count();
    let mut too_many = there_are.saturating_sub(bytes.get(COUNT_AT).copied().unwrap_or_default().into());
    let (mut numbers, mut end): (Vec<BTreeSet<u8>>, usize) = (Vec::new(), 0);
    for (at, descriptor) in walk() {
        match *descriptor {
            [_, CONFIGURATION, low, high, ..] if is_configuration(descriptor) => {
                if at < end && too_many > 0 {
                    too_many -= 1;
                    continue;
                }
                end = at + usize::from(u16::from_le_bytes([low, high]));
                numbers.push(BTreeSet::new());
            }
            [_, INTERFACE, number, ..] if descriptor.len() >= LEAST_LENGTH => {
                if let Some(own) = numbers.last_mut() {
                    own.insert(number);
                }
            }
            _ => {}
        }
    }
    numbers.iter().map(|own| own.len().min(MOST_INTERFACES)).collect()
}

/// The class of each interface descriptor, those of alternate settings too, as often as it is there.
pub fn interface_descriptors(bytes: &[u8]) -> Vec<InterfaceClass> {
    Walk::from(bytes, DEVICE_DESCRIPTOR_LENGTH).filter_map(|(_, descriptor)| interface(descriptor)).collect()
}

fn interface(descriptor: &[u8]) -> Option<InterfaceClass> {
    match descriptor {
        [_, INTERFACE, _, _, _, class, subclass, protocol, _, ..] => {
            Some(InterfaceClass { class: *class, subclass: *subclass, protocol: *protocol })
        }
        _ => None,
    }
}

impl Configurations {
    fn fail(&mut self, fault: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceDescriptor;
    use crate::test_support::bytes;
    use proptest::prelude::*;

    /// A full-speed composite device: HID keyboard, HID mouse twice over as alternate settings, a vendor interface.
    const COMPOSITE: &str = "12010002000000406d0433c5011201020301\
        09023b000301 00a0310904000001030101000705810308000a 0904010001030102000904010101030102000904020000ff000000";

    fn read(bytes: &[u8]) -> Configurations {
        configurations(bytes, false)
    }

    #[test]
    fn each_interface_class_is_listed_once_in_order() {
        let found = read(&bytes(COMPOSITE));
        let classes: Vec<String> = found.interfaces.iter().map(ToString::to_string).collect();
        assert_eq!(classes, ["03/01/01", "03/01/02", "ff/00/00"]);
        assert_eq!(found.fault, None);
    }

    #[test]
    fn power_is_that_of_the_first_configuration_in_the_units_of_its_speed() {
        let whole = bytes(COMPOSITE);
        let power = Power { self_powered: false, remote_wakeup: true, max_milliamps: 98 };
        assert_eq!(read(&whole).power, Some(power));
        assert_eq!(configurations(&whole, true).power, Some(Power { max_milliamps: 392, ..power }));
        let mut two = whole.clone();
        two.extend([9, 2, 9, 0, 0, 2, 0, 0xc0, 250]);
        assert_eq!(read(&two).power, Some(power));
        assert_eq!(read(&whole[..18]), Configurations::default());
    }

    #[test]
    fn what_is_not_as_usb_has_it_is_said_and_what_came_before_stands() {
        let whole = bytes(COMPOSITE);
        let with = |more: &[u8]| [whole.as_slice(), more].concat();
        for (raw, classes, fault) in [
            (
                whole[..40].to_vec(),
                1,
                "the descriptor at byte 36 says that it has 7 bytes, of the 4 that are left",
            ),
            (with(&[0, 4]), 3, "the descriptor at byte 70 says that it has 0 bytes, of the 2 that are left"),
            (with(&[1]), 3, "the descriptor at byte 70 says that it has 1 bytes, of the 1 that are left"),
            // It has a length, so what comes after it can be found.
            (
                with(&[5, 4, 0, 0, 0, 9, 4, 5, 0, 0, 8, 6, 0x50, 0]),
                4,
                "the descriptor at byte 70 has 5 bytes, and needs 9",
            ),
            (with(&[4, 2, 0, 0]), 3, "the descriptor at byte 70 has 4 bytes, and needs 9"),
        ] {
            let found = read(&raw);
            assert_eq!((found.interfaces.len(), found.fault.as_deref()), (classes, Some(fault)));
        }
    }

    #[test]
    fn the_classes_of_a_hostile_device_are_bounded() {
        let mut raw = bytes(COMPOSITE);
        for code in 0..=0x1fff_u16 {
            let [class, subclass] = code.to_be_bytes();
            raw.extend([9, 4, 0, 0, 0, class, subclass, 0xee, 0]);
        }
        let found = read(&raw);
        assert_eq!(found.interfaces.len(), MOST_CLASSES);
        assert!(found.fault.is_some_and(|fault| fault.ends_with("is of yet another class, after 4096")));
    }

    /// An interface's descriptor.
    fn interface_of(number: u8) -> Vec<u8> {
        vec![9, 4, number, 0, 0, 0xff, 0, 0, 0]
    }

    /// A configuration that says that it has so many bytes; without that, as many as it has.
    fn configuration(parts: &[&[u8]], said: Option<u8>) -> Vec<u8> {
        let length = u8::try_from(9 + parts.concat().len()).expect("a short one");
        [&[9, 2, said.unwrap_or(length), 0, 1, 1, 0, 0x80, 50], parts.concat().as_slice()].concat()
    }

    fn counts(count: u8, configurations: &[&[u8]]) -> Vec<usize> {
        interface_counts(&[&[0; 17][..], &[count], &configurations.concat()].concat())
    }

    #[test]
    fn interfaces_are_counted_as_linux_counts_them() {
        let (zero, one, two) = (interface_of(0), interface_of(1), interface_of(2));
        let whole = configuration(&[&zero, &one], None);
        assert_eq!(counts(2, &[&whole, &configuration(&[&zero], None)]), [2, 1]);
        assert_eq!(counts(1, &[&configuration(&[&zero, &zero, &[5, 4, 7, 0, 0]], None)]), [1]);
        let stray = [9, 2, 27, 0, 1, 9, 0, 0x80, 50];
        let with_stray = configuration(&[&zero, &stray, &one, &two], None);
        assert_eq!(counts(1, &[&with_stray]), [3], "one configuration within another is none");
        assert_eq!(counts(2, &[&with_stray, &whole]), [3, 2]);
        assert_eq!(counts(2, &[&whole, &with_stray]), [2, 3]);
        assert_eq!(
            counts(1, &[&configuration(&[&zero, &[4, 2, 0, 0], &one], None)]),
            [2],
            "nor is a short one"
        );
    }

    #[test]
    fn a_configuration_that_linux_has_cut_is_not_as_long_as_it_says() {
        // Of `zero`, a descriptor without length, `one`: sysfs has the first only, and the next configuration behind that.
        let cut = configuration(&[&interface_of(0)], Some(29));
        let next = configuration(&[&interface_of(0), &interface_of(1)], None);
        assert_eq!(counts(2, &[&cut, &next]), [1, 2]);
        assert_eq!(counts(3, &[&cut, &cut, &next]), [1, 1, 2]);
        let longest = configuration(&[&interface_of(0)], Some(255));
        assert_eq!(counts(2, &[&longest, &next]), [1, 2]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_fail_or_hang(noise in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = DeviceDescriptor::parse(&noise);
            let found = read(&noise);
            prop_assert!(found.interfaces.len() <= noise.len() / LEAST_LENGTH);
            prop_assert!(found.functions.len() <= noise.len() / LEAST_LENGTH);
        }
    }
}
