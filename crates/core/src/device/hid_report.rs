//! What a HID report descriptor says that an interface is for.
//!
//! The codes of an interface tell only a keyboard and a mouse that a BIOS can use from the rest. All others say in their report descriptor
//! what they are: by the usage of each application collection (USB-IF, "HID Usage Tables"). The kernel has asked for it once
//! its HID driver is bound, and shows it then as `report_descriptor`; at the attach itself nobody has it.

const LONG_ITEM: u8 = 0xfe;
/// Type and tag of a short item; the two bits below are its size.
const USAGE_PAGE: u8 = 0x04;
const USAGE: u8 = 0x08;
const USAGE_MINIMUM: u8 = 0x18;
const INPUT: u8 = 0x80;
const OUTPUT: u8 = 0x90;
const COLLECTION: u8 = 0xa0;
const PUSH: u8 = 0xa4;
const FEATURE: u8 = 0xb0;
const POP: u8 = 0xb4;
const END_COLLECTION: u8 = 0xc0;
const APPLICATION: u32 = 1;
/// As many as Linux keeps.
const MOST_PUSHED: usize = 4;

/// What a report descriptor says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ReportUsages {
    /// A capability for each application collection, each once, in their order: `hid:gamepad`, `hid:fido`.
    pub words: Vec<&'static str>,
    /// The first thing in it that is not as HID has it. What came before it stands; what comes after it, only where it can be found.
    pub fault: Option<String>,
}

/// Reads a HID report descriptor, as sysfs has it in `<interface>/0003:*/report_descriptor`.
///
/// No bytes make this fail, and the time that it takes grows with their number alone.
pub fn report_usages(bytes: &[u8]) -> ReportUsages {
    let mut reading = Reading::default();
    let mut at = 0;
    while let Some(&prefix) = bytes.get(at) {
        let (head, size) = match (prefix, bytes.get(at + 1)) {
            (LONG_ITEM, Some(size)) => (3, usize::from(*size)),
            (LONG_ITEM, None) => (3, 0),
            _ => (1, [0, 1, 2, 4][usize::from(prefix & 3)]),
        };
        let Some(data) = bytes.get(at + head..at + head + size) else {
            let rest = bytes.len() - at;
            reading.fail(at, format_args!("has {} bytes, of the {rest} that are left", head + size));
            return reading.found;
        };
        if prefix != LONG_ITEM {
            reading.item(at, prefix & !3, data);
        }
        at += head + size;
    }
    if reading.depth > 0 {
        let depth = reading.depth;
        reading.fail(at, format_args!("is the end, within {depth} collections"));
    }
    reading.found
}

#[derive(Default)]
struct Reading {
    found: ReportUsages,
    page: u16,
    pushed: Vec<u16>,
    /// The first usage since the last main item; where it has four bytes, with its page.
    usage: Option<(Option<u16>, u16)>,
    depth: usize,
}

impl Reading {
    fn item(&mut self, at: usize, item: u8, data: &[u8]) {
        let value = data.iter().rev().fold(0, |value: u32, byte| value << 8 | u32::from(*byte));
        let low = |value: u32| u16::try_from(value & 0xffff).unwrap_or_default();
        match item {
            USAGE_PAGE => self.page = low(value),
            USAGE | USAGE_MINIMUM => {
                let page = (data.len() == 4).then(|| low(value >> 16));
                self.usage.get_or_insert((page, low(value)));
            }
            PUSH if self.pushed.len() == MOST_PUSHED => {
                self.fail(at, format_args!("pushes once more, after {MOST_PUSHED}"));
            }
            PUSH => self.pushed.push(self.page),
            POP => match self.pushed.pop() {
                Some(page) => self.page = page,
                None => self.fail(at, "pops what has not been pushed"),
            },
            COLLECTION => {
                if self.depth == 0 && value == APPLICATION {
                    self.application(at);
                }
                self.depth += 1;
                self.usage = None;
            }
            END_COLLECTION => {
                match self.depth.checked_sub(1) {
                    Some(depth) => self.depth = depth,
                    None => self.fail(at, "ends no collection"),
                }
                self.usage = None;
            }
            INPUT | OUTPUT | FEATURE => self.usage = None,
            _ => {}
        }
    }

    fn application(&mut self, at: usize) {
        let Some((page, usage)) = self.usage else {
            return self.fail(at, "is an application without a usage");
        };
        let word = word(page.unwrap_or(self.page), usage);
        if !self.found.words.contains(&word) {
            self.found.words.push(word);
        }
    }

    fn fail(&mut self, at: usize, what: impl std::fmt::Display) {
        self.found.fault.get_or_insert_with(|| format!("the item at byte {at} {what}"));
    }
}

/// Usages that are not named here are `hid:other`, as interfaces are whose codes say no more.
pub(super) fn word(page: u16, usage: u16) -> &'static str {
    match (page, usage) {
        (0x01, 0x01) => "hid:pointer",
        (0x01, 0x02) => "hid:mouse",
        (0x01, 0x04) => "hid:joystick",
        (0x01, 0x05) => "hid:gamepad",
        (0x01, 0x06) => "hid:keyboard",
        (0x01, 0x07) => "hid:keypad",
        (0x01, 0x08) => "hid:multi-axis",
        (0x01, 0x80) => "hid:system-control",
        (0x02, _) => "hid:simulation",
        (0x0b, _) => "hid:telephony",
        (0x0c, _) => "hid:consumer-control",
        (0x0d, 0x02) => "hid:pen",
        (0x0d, 0x04) => "hid:touchscreen",
        (0x0d, 0x05) => "hid:touchpad",
        (0x0d, _) => "hid:digitizer",
        (0x0f, _) => "hid:force-feedback",
        (0x14, _) => "hid:display",
        (0x20, _) => "hid:sensor",
        (0x40, _) => "hid:medical",
        (0x41, _) => "hid:braille",
        (0x59, _) => "hid:lighting",
        (0x80 | 0x82, _) => "hid:monitor",
        (0x84 | 0x85, _) => "hid:power",
        (0x8c, _) => "hid:barcode-scanner",
        (0x8d, _) => "hid:scale",
        (0x8e, _) => "hid:magnetic-stripe-reader",
        (0xf1d0, _) => "hid:fido",
        (0xff00.., _) => "hid:vendor",
        _ => "hid:other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::bytes;
    use proptest::prelude::*;

    /// The keyboard and the mouse of HID 1.11, appendix E; the first four bytes of each say what it is.
    const KEYBOARD: &str = "05010906a101 050719e029e71500250175019508810295017508810195057501050819012905910295017503910195067508\
        15002565050719002965 8100c0";
    const MOUSE: &str = "05010902a1010901a100 0509190129031500250195037501810295017505810105010930093115 81257f750895028106c0c0";
    const GAMEPAD: &str =
        "05010905a101a100 050919012910150025019510750181020501093009310932093315 81257f750895048102c0c0";
    /// A security key's, of CTAP 2.
    const FIDO: &str = "06d0f10901a1010920150026ff00750895408102092115 0026ff0075089540 9102c0";
    /// Keys for a player and for the power, and a maker's own, one after the other, each with its number.
    const EXTRA_KEYS: &str = "050c0901a1018501150026ff031900 2aff03751095018100c0\
        05010980a10185021981298315002501750195038102 95058101c0 0600ff0901a10185031500 26ff0075089507 09018100c0";
    const TOUCHSCREEN: &str = "050d0904a1010922a1020942150025017501950181 02c0c0 050d090ea101c0";

    fn words(raw: &str) -> Vec<&'static str> {
        let found = report_usages(&bytes(raw));
        assert_eq!(found.fault, None, "{raw}");
        found.words
    }

    #[test]
    fn application_collections_say_what_a_device_is_for() {
        assert_eq!(words(KEYBOARD), ["hid:keyboard"]);
        assert_eq!(words(MOUSE), ["hid:mouse"]);
        assert_eq!(words(GAMEPAD), ["hid:gamepad"]);
        assert_eq!(words(FIDO), ["hid:fido"]);
        assert_eq!(words(EXTRA_KEYS), ["hid:consumer-control", "hid:system-control", "hid:vendor"]);
        assert_eq!(words(TOUCHSCREEN), ["hid:touchscreen", "hid:digitizer"]);
        assert_eq!(words(&[KEYBOARD, MOUSE, KEYBOARD].concat()), ["hid:keyboard", "hid:mouse"]);
        assert_eq!(words(""), Vec::<&str>::new());
    }

    #[test]
    fn a_usage_has_the_page_that_it_brings_or_the_one_of_its_time() {
        // Of four bytes it brings its own; a page that comes after it is its page, too; one that was pushed comes back.
        assert_eq!(words("05010b01000d00 a101c0"), ["hid:digitizer"]);
        assert_eq!(words("0501 0904 050d a101c0"), ["hid:touchscreen"]);
        assert_eq!(words("0501 a4 050d b4 0904 a101c0"), ["hid:joystick"]);
        // The usage is the first one since the last main item; long items and collections within say nothing.
        assert_eq!(words("0501 0901 a100 c0 0905 0902 fe02aa 0506 a101 0906 a101 c0c0"), ["hid:gamepad"]);
    }

    #[test]
    fn what_is_not_as_hid_has_it_is_said_and_what_came_before_stands() {
        for (more, fault) in [
            ("27ff", "the item at byte 50 has 5 bytes, of the 2 that are left"),
            ("fe", "the item at byte 50 has 3 bytes, of the 1 that are left"),
            ("fe08aa00", "the item at byte 50 has 11 bytes, of the 4 that are left"),
            ("c0", "the item at byte 50 ends no collection"),
            ("b4", "the item at byte 50 pops what has not been pushed"),
            ("a4a4a4a4a4", "the item at byte 54 pushes once more, after 4"),
            ("a101c0", "the item at byte 50 is an application without a usage"),
            ("0906a101a100", "the item at byte 56 is the end, within 2 collections"),
        ] {
            let found = report_usages(&bytes(&[MOUSE, more].concat()));
            assert_eq!(found.words[0], "hid:mouse");
            assert_eq!(found.fault.as_deref(), Some(fault), "{more}");
        }
    }

    /// Bytes of no sense, and among them applications with any usage.
    fn noise() -> impl Strategy<Value = Vec<u8>> {
        let application =
            (any::<u8>(), 0..9_u8).prop_map(|(page, usage)| vec![5, page, 9, usage, 0xa1, 1, 0xc0]);
        let part = prop_oneof![proptest::collection::vec(any::<u8>(), 0..8), application];
        proptest::collection::vec(part, 0..512).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_fail_and_each_word_comes_once(noise in noise()) {
            let mut words = report_usages(&noise).words;
            let found = words.len();
            words.sort_unstable();
            words.dedup();
            prop_assert_eq!(words.len(), found);
        }
    }
}
