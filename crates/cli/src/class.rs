//! USB's classes, by number and by name.

use usb_daemon_core::hex;

/// Those that somebody might ask for by name; the numbers are USB-IF's.
const NAMES: [(u8, &str); 20] = [
    (0x01, "audio"),
    (0x02, "comm"),
    (0x03, "hid"),
    (0x05, "physical"),
    (0x06, "image"),
    (0x07, "printer"),
    (0x08, "storage"),
    (0x09, "hub"),
    (0x0a, "cdc-data"),
    (0x0b, "smart-card"),
    (0x0d, "security"),
    (0x0e, "video"),
    (0x0f, "health"),
    (0x10, "audio-video"),
    (0x11, "billboard"),
    (0xdc, "diagnostic"),
    (0xe0, "wireless"),
    (0xef, "misc"),
    (0xfe, "application"),
    (0xff, "vendor"),
];

/// `storage`, or its number where it has no name here.
pub(crate) fn name(class: u8) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == class);
    known.map_or_else(|| format!("{class:02x}"), |(_, name)| (*name).to_owned())
}

/// Reads `08`, `0x08` or `storage`.
pub(crate) fn parse(text: &str) -> Result<u8, String> {
    if let Some((number, _)) = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        return Ok(*number);
    }
    hex(text, 2).and_then(|number| number.try_into().ok()).ok_or_else(|| {
        let names = NAMES.map(|(_, name)| name).join(", ");
        format!("expected two hexadecimal digits, as in 08 or 0x08, or one of {names}")
    })
}
