//! Serial numbers that say nothing: what a maker has left in from an example, or has never filled in.

/// Digits as makers count them up in examples.
const COUNTED: &[u8] = b"0123456789ABCDEF";
/// A run of fewer digits may well be a number.
const SHORTEST_RUN: usize = 6;
/// What makers write between digits and words.
const SEPARATORS: [char; 6] = [' ', '-', '_', '.', ':', '/'];
/// In lower case, without separators.
const PLACEHOLDERS: [&str; 12] = [
    "default",
    "empty",
    "invalid",
    "na",
    "none",
    "notspecified",
    "null",
    "serial",
    "serialnumber",
    "string",
    "tobefilledbyoem",
    "unknown",
];

/// Whether every unit of a model can be expected to have this one.
pub(super) fn is_junk(serial: &str) -> bool {
    let written: String =
        serial.split(SEPARATORS).flat_map(str::chars).flat_map(char::to_lowercase).collect();
    if written.is_empty() {
        return is_filling(serial);
    }
    let is_all = |digit: char| written.chars().all(|found| found == digit);
    is_all('0') || is_all('f') || PLACEHOLDERS.contains(&written.as_str()) || is_counted(&written)
}

/// Nothing, blanks, or one sign over and over: `----`.
fn is_filling(serial: &str) -> bool {
    let serial = serial.trim().as_bytes();
    serial.iter().all(|sign| sign.is_ascii_punctuation() && *sign == serial[0])
}

/// `0123456789`, `12345678`, `1234567890`, `0123456789ABCDEF`: each digit is the one after the last.
fn is_counted(written: &str) -> bool {
    let follows = |before: u8, digit: u8| {
        let place = COUNTED.iter().position(|known| *known == before);
        place.is_some_and(|place| COUNTED.get(place + 1) == Some(&digit)) || (before == b'9' && digit == b'0')
    };
    let digits = written.to_ascii_uppercase().into_bytes();
    digits.len() >= SHORTEST_RUN
        && matches!(digits[0], b'0' | b'1')
        && digits.windows(2).all(|pair| follows(pair[0], pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_maker_has_not_filled_in_is_junk() {
        for serial in [
            "0",
            "000000000000",
            "00-00-00",
            "FFFFFFFF",
            "ffff",
            "",
            "  ",
            "----",
            "0123456789",
            "123456",
            "12345678",
            "1234567890",
            "0123456789ABCDEF",
            "0123456789abcdef",
            "None",
            "N/A",
            "To be filled by O.E.M.",
            "SerialNumber",
            "Serial Number",
            "default",
        ] {
            assert!(is_junk(serial), "{serial:?}");
        }
    }

    #[test]
    fn what_may_be_a_number_is_none() {
        for serial in [
            "X",
            "1",
            "12345",
            "234567",
            "A1B2C3",
            "0401d7",
            "123457",
            "1234567891",
            "00000001",
            "F0F0F0",
            "89126-0000:00:01.0-5",
            "4C530001230456789012",
            "Серийный",
            "\",%",
            "%00{}",
            "\u{1f600}\u{1f600}",
            "\u{fffd}",
            "N1",
        ] {
            assert!(!is_junk(serial), "{serial:?}");
        }
    }
}
