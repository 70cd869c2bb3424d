//! One record of `/dev/kmsg`: a line of the kernel's log, and the device that it is about.
//!
//! The format is the kernel's own (Documentation/ABI/testing/dev-kmsg): numbers, `;`, the text, and lines that begin with a blank and say
//! what the text is about. In the text a backslash, and whatever is not printable ASCII, is `\x` and two digits.

use std::str::FromStr;

use crate::escapes::unescaped;

/// What the kernel itself has said about one USB device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The minor number of the device's node, by which no other one goes that is connected meanwhile.
    pub(crate) minor: u32,
    /// What the kernel calls the device: its driver or bus, and its name, as in `usb 1-4.2`.
    pub(crate) of: Vec<u8>,
    /// What it says.
    pub(crate) text: Vec<u8>,
}

/// USB devices' nodes have this major number.
const NODE: &[u8] = b" DEVICE=c189:";
/// Below these bits is how grave it is, in them who says so: 0 is the kernel, and nobody else may write as that.
const FACILITY_SHIFT: u32 = 3;

impl Record {
    /// None for what is about something else, or has been written by somebody else.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (numbers, said) = split_at(bytes, b";")?;
        let (priority, _) = split_at(numbers, b",")?;
        if decimal::<u32>(priority)? >> FACILITY_SHIFT != 0 {
            return None;
        }
        let mut lines = said.split(|byte| *byte == b'\n');
        let text = lines.next()?;
        let minor = decimal(lines.find_map(|line| line.strip_prefix(NODE))?)?;
        let (of, text) = split_at(text, b": ")?;
        Some(Self { minor, of: of.to_vec(), text: unescaped(text)? })
    }
}

/// What is before and behind the first `separator`.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}

fn decimal<T: FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_about_a_usb_device_is_read() {
        let bytes = b"6,1043,92077,-,caller=T7;usb 1-1: Product: a\\x0ab \\x5c \\xc3\\xa9: c\n SUBSYSTEM=usb\n DEVICE=c189:4\n";
        let record = Record { minor: 4, of: "usb 1-1".into(), text: "Product: a\nb \\ é: c".into() };
        assert_eq!(Record::parse(bytes), Some(record));
    }

    #[test]
    fn what_others_say_or_is_about_something_else_is_not() {
        for bytes in [
            // Facility 1 is what a program gets that writes to the log itself.
            b"14,1,1,-;usb 1-1: Product: forged\n SUBSYSTEM=usb\n DEVICE=c189:4\n".as_slice(),
            b"6,1,1,-;usb 1-1: Product: of no device\n",
            b"6,1,1,-;usb 1-1: Product: x DEVICE=c189:4\n SUBSYSTEM=usb\n",
            b"6,1,1,-;hub 1-0:1.0: USB hub found\n SUBSYSTEM=usb\n DEVICE=+usb:1-0:1.0\n",
            b"6,1,1,-;sd 0:0:0:0: Product: x\n SUBSYSTEM=scsi\n DEVICE=b8:0\n",
            b"6,1,1,-;usb 1-1: Product: \\q\n SUBSYSTEM=usb\n DEVICE=c189:4\n",
            b"6,1,1,-;usb 1-1: Product: \\x4\n SUBSYSTEM=usb\n DEVICE=c189:4\n",
            b"6,1,1,-;usb 1-1: Product: x\n SUBSYSTEM=usb\n DEVICE=c189:4294967296\n",
            b"6,1,1,-;usb 1-1\n DEVICE=c189:4\n",
            b";",
            b"",
        ] {
            assert_eq!(Record::parse(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
