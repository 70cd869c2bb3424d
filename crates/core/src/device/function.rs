//! Which interfaces of a configuration make one function together, by USB's interface associations and CDC's unions.
//!
//! A device may leave it to these to say what an interface is: an association gives the class of a function whose interfaces are
//! vendor-specific, and a union tells that a vendor-specific interface is no more than the data of a communication interface.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::bos::Platform;
use super::capability::{is_communication, says_nothing};
use super::descriptor::InterfaceClass;
use super::walk::{fault, too_short};

const ASSOCIATION_LENGTH: usize = 8;
const UNION_LENGTH: usize = 5;
/// Subtype of CDC's class-specific descriptors.
const UNION: u8 = 6;
/// As many as Linux takes in a configuration.
const MOST_ASSOCIATIONS: usize = 16;

/// What a device's descriptors say of what it is for, beyond the classes of its interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Functions {
    /// The classes of its interfaces as associations and unions have them read; empty where those change nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<InterfaceClass>,
    /// The platforms that it has something for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
}

impl Functions {
    /// Whether the interfaces say all.
    pub(crate) fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.platforms.is_empty()
    }
}

/// Takes the descriptors of one configuration after the other.
#[derive(Default)]
pub(super) struct Grouping {
    interfaces: Vec<(u8, InterfaceClass)>,
    associations: Vec<Association>,
    /// A bit for each interface that a union has under another one.
    subordinate: [u64; 4],
    classes: Vec<InterfaceClass>,
    seen: HashSet<InterfaceClass>,
}

struct Association {
    first: u8,
    count: u8,
    class: InterfaceClass,
}

impl Association {
    fn holds(&self, number: u8) -> bool {
        number.checked_sub(self.first).is_some_and(|place| place < self.count)
    }
}

impl Grouping {
    pub(super) fn interface(&mut self, number: u8, class: InterfaceClass) {
        self.interfaces.push((number, class));
    }

    /// # Errors
    /// A sentence, where the association is not as USB has it or one too many. Nothing becomes of it then.
    pub(super) fn associate(&mut self, at: usize, descriptor: &[u8]) -> Result<(), String> {
        let [_, _, first, count, class, subclass, protocol, _, ..] = *descriptor else {
            return Err(too_short(at, descriptor, ASSOCIATION_LENGTH));
        };
        if count == 0 {
            return Err(fault(at, "associates no interface"));
        }
        if self.associations.len() == MOST_ASSOCIATIONS {
            return Err(fault(at, format_args!("is one more association, after {MOST_ASSOCIATIONS}")));
        }
        let class = InterfaceClass { class, subclass, protocol };
        self.associations.push(Association { first, count, class });
        Ok(())
    }

    /// Takes CDC's unions, and passes over what other classes have to say of their interfaces.
    ///
    /// # Errors
    /// A sentence, where a union is too short to be one.
    pub(super) fn class_specific(&mut self, at: usize, descriptor: &[u8]) -> Result<(), String> {
        let Some(&(number, class)) = self.interfaces.last() else { return Ok(()) };
        if !is_communication(class) || descriptor.get(2) != Some(&UNION) {
            return Ok(());
        }
        let [_, _, _, control, subordinates @ ..] = descriptor else {
            return Err(too_short(at, descriptor, UNION_LENGTH));
        };
        if subordinates.is_empty() {
            return Err(too_short(at, descriptor, UNION_LENGTH));
        }
        // A union stands under its own control interface; one that speaks for another is not believed.
        for &subordinate in subordinates.iter().filter(|found| *control == number && **found != number) {
            self.subordinate[usize::from(subordinate >> 6)] |= 1 << (subordinate & 63);
        }
        Ok(())
    }

    /// What comes next belongs to another configuration, which numbers its interfaces anew.
    pub(super) fn end_configuration(&mut self) {
        for (number, class) in std::mem::take(&mut self.interfaces) {
            if let Some(class) = self.function_of(number, class).filter(|class| self.seen.insert(*class)) {
                self.classes.push(class);
            }
        }
        self.associations.clear();
        self.subordinate = [0; 4];
    }

    /// The distinct classes of all configurations, in the order of the descriptors.
    ///
    /// # Errors
    /// A sentence, where there are more than `most`.
    pub(super) fn functions(mut self, most: usize) -> Result<Vec<InterfaceClass>, String> {
        self.end_configuration();
        if self.classes.len() > most {
            return Err(format!(
                "the associations make {} classes of the interfaces, more than {most}",
                self.classes.len()
            ));
        }
        Ok(self.classes)
    }

    /// What an interface is to be read as. None where it is another one's data.
    fn function_of(&self, number: u8, class: InterfaceClass) -> Option<InterfaceClass> {
        if !says_nothing(class) {
            return Some(class);
        }
        if self.subordinate[usize::from(number >> 6)] & (1 << (number & 63)) != 0 {
            return None;
        }
        let association = self.associations.iter().find(|found| found.holds(number));
        association.map(|found| found.class).filter(|found| !says_nothing(*found)).or(Some(class))
    }
}

#[cfg(test)]
mod tests {
    use crate::device::configuration::configurations;
    use crate::device::{Configurations, DeviceDescriptor, Functions, capabilities};

    const CONFIGURATION: [u8; 9] = [9, 2, 0, 0, 2, 1, 0, 0x80, 50];

    fn interface(number: u8, class: [u8; 3]) -> Vec<u8> {
        vec![9, 4, number, 0, 0, class[0], class[1], class[2], 0]
    }

    fn association(first: u8, count: u8, class: [u8; 3]) -> Vec<u8> {
        vec![8, 0x0b, first, count, class[0], class[1], class[2], 0]
    }

    fn read(parts: &[&[u8]]) -> (Vec<&'static str>, Option<String>) {
        let raw = [&[0; 18], parts.concat().as_slice()].concat();
        let Configurations { interfaces, functions: classes, fault, .. } = configurations(&raw, false);
        let functions = Functions { classes, platforms: Vec::new() };
        (capabilities(&DeviceDescriptor::default(), &interfaces, &functions), fault)
    }

    fn words(parts: &[&[u8]]) -> Vec<&'static str> {
        let (words, fault) = read(parts);
        assert_eq!(fault, None);
        words
    }

    #[test]
    fn an_association_says_what_its_interfaces_leave_open() {
        let bluetooth = association(0, 2, [0xe0, 1, 1]);
        let vendor = |number| interface(number, [0xff, 0, 0]);
        assert_eq!(words(&[&CONFIGURATION, &bluetooth, &vendor(0), &vendor(1)]), ["wireless:bluetooth"]);
        // What is not of it stays what it is, and what says itself what it is does so within it, too.
        assert_eq!(
            words(&[
                &CONFIGURATION,
                &bluetooth,
                &interface(0, [0; 3]),
                &interface(1, [0xff, 0x42, 1]),
                &vendor(2)
            ]),
            ["wireless:bluetooth", "debug:adb", "vendor:other"]
        );
        let silent = association(0, 2, [0xff, 1, 1]);
        assert_eq!(
            words(&[&CONFIGURATION, &silent, &vendor(0), &interface(1, [3, 1, 1])]),
            ["vendor:other", "hid:keyboard"]
        );
    }

    #[test]
    fn an_association_is_of_its_own_configuration() {
        let printer = association(0, 1, [7, 1, 2]);
        let vendor = interface(0, [0xff, 0, 0]);
        assert_eq!(
            words(&[&CONFIGURATION, &printer, &vendor, &CONFIGURATION, &vendor]),
            ["printer:bidirectional", "vendor:other"]
        );
    }

    #[test]
    fn the_data_of_a_union_belong_to_its_control_interface() {
        let modem = interface(4, [2, 2, 1]);
        let union = [6, 0x24, 6, 4, 5, 200];
        let (vendor, far) = (interface(5, [0xff, 0, 0]), interface(200, [0xff, 0, 0]));
        assert_eq!(words(&[&CONFIGURATION, &modem, &union, &vendor, &far]), ["serial:cdc-acm"]);
        // The data may come first.
        assert_eq!(words(&[&CONFIGURATION, &vendor, &modem, &union]), ["serial:cdc-acm"]);
        assert_eq!(words(&[&CONFIGURATION, &modem, &vendor]), ["serial:cdc-acm", "vendor:other"]);
        // It hides nothing that says what it is, nor is it believed of another one's interfaces.
        assert_eq!(
            words(&[&CONFIGURATION, &modem, &union, &interface(5, [3, 1, 2])]),
            ["serial:cdc-acm", "hid:mouse"]
        );
        let foreign = [5, 0x24, 6, 3, 5];
        assert_eq!(words(&[&CONFIGURATION, &modem, &foreign, &vendor]), ["serial:cdc-acm", "vendor:other"]);
        let disk = interface(4, [8, 6, 0x50]);
        assert_eq!(words(&[&CONFIGURATION, &disk, &union, &vendor]), ["storage:bulk-only", "vendor:other"]);
    }

    #[test]
    fn what_is_no_association_or_union_is_said() {
        let modem = interface(0, [2, 2, 1]);
        for (more, fault) in [
            (vec![7, 0x0b, 0, 1, 3, 1, 1], "the descriptor at byte 36 has 7 bytes, and needs 8"),
            (association(0, 0, [3, 1, 1]), "the descriptor at byte 36 associates no interface"),
            (vec![4, 0x24, 6, 0], "the descriptor at byte 36 has 4 bytes, and needs 5"),
            (
                association(0, 1, [3, 1, 1]).repeat(17),
                "the descriptor at byte 164 is one more association, after 16",
            ),
        ] {
            let (words, found) = read(&[&CONFIGURATION, &modem, &more]);
            assert_eq!((words, found.as_deref()), (vec!["serial:cdc-acm"], Some(fault)));
        }
    }

    #[test]
    fn a_hostile_device_makes_no_more_classes_than_linux_has_interfaces() {
        let mut raw = vec![0; 18];
        for code in 0..=0x1fff_u16 {
            let [class, subclass] = code.to_be_bytes();
            raw.extend(CONFIGURATION);
            raw.extend(association(0, 1, [0x0e + class, subclass, 0xee]));
            raw.extend(interface(0, [0xff, 0, 0]));
        }
        let found = configurations(&raw, false);
        assert_eq!((found.interfaces.len(), found.functions.len()), (1, 0));
        let fault = "the associations make 8192 classes of the interfaces, more than 4096";
        assert_eq!(found.fault.as_deref(), Some(fault));
    }
}
