//! USB descriptors: made up for a device that names none, and read where a device brings its own.

/// Class, subclass and protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassCode(pub(crate) u8, pub(crate) u8, pub(crate) u8);

impl ClassCode {
    pub(crate) const HUB: u8 = 0x09;

    /// Parses `cc/ss/pp` in hex.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut codes = text.split('/').map(|part| u8::from_str_radix(part, 16).ok());
        let code = Self(codes.next()??, codes.next()??, codes.next()??);
        codes.next().is_none().then_some(code)
    }
}

/// The numbers of a device descriptor that sysfs and uevents repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceNumbers {
    pub(crate) usb_version: u16,
    pub(crate) class: ClassCode,
    pub(crate) vendor_id: u16,
    pub(crate) product_id: u16,
    pub(crate) device_version: u16,
    pub(crate) max_packet_size: u8,
    pub(crate) configurations: u8,
}

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const DEVICE_LENGTH: usize = 18;

/// Builds the `descriptors` attribute: device, one configuration, and an interrupt endpoint for each interface.
///
/// `strings` says which of manufacturer, product and serial number the device has.
pub(crate) fn build(numbers: &DeviceNumbers, strings: [bool; 3], interfaces: &[ClassCode]) -> Vec<u8> {
    let ClassCode(class, subclass, protocol) = numbers.class;
    let mut bytes = vec![18, DEVICE];
    bytes.extend(numbers.usb_version.to_le_bytes());
    bytes.extend([class, subclass, protocol, numbers.max_packet_size]);
    bytes.extend(numbers.vendor_id.to_le_bytes());
    bytes.extend(numbers.product_id.to_le_bytes());
    bytes.extend(numbers.device_version.to_le_bytes());
    bytes.extend((1..).zip(strings).map(|(index, present)| if present { index } else { 0 }));
    bytes.push(numbers.configurations);

    let total = u16::try_from(9 + interfaces.len() * 16).unwrap_or(u16::MAX);
    let count = u8::try_from(interfaces.len()).unwrap_or(u8::MAX);
    bytes.extend([9, CONFIGURATION]);
    bytes.extend(total.to_le_bytes());
    bytes.extend([count, 1, 0, 0x80, 50]);
    for (number, &ClassCode(class, subclass, protocol)) in (0..=u8::MAX).zip(interfaces) {
        bytes.extend([9, INTERFACE, number, 0, 1, class, subclass, protocol, 0]);
        bytes.extend([7, 5, 0x81 + number % 15, 3, 8, 0, 10]);
    }
    bytes
}

/// Reads the device descriptor at the start, if it is whole.
pub(crate) fn read_device(bytes: &[u8]) -> Option<DeviceNumbers> {
    let device = bytes.get(..DEVICE_LENGTH).filter(|device| device[1] == DEVICE)?;
    let word = |at: usize| u16::from_le_bytes([device[at], device[at + 1]]);
    Some(DeviceNumbers {
        usb_version: word(2),
        class: ClassCode(device[4], device[5], device[6]),
        vendor_id: word(8),
        product_id: word(10),
        device_version: word(12),
        max_packet_size: device[7],
        configurations: device[17],
    })
}

/// Lists the first configuration's interfaces, first alternate setting each, as far as the bytes can be followed.
pub(crate) fn read_interfaces(bytes: &[u8]) -> Vec<ClassCode> {
    let mut interfaces = Vec::new();
    let mut configurations = 0;
    let mut rest = bytes;
    while let [length, kind, ..] = *rest {
        let Some((descriptor, after)) = rest.split_at_checked(usize::from(length)) else { break };
        match (kind, descriptor) {
            _ if length < 2 => break,
            (CONFIGURATION, _) if configurations == 1 => break,
            (CONFIGURATION, _) => configurations = 1,
            (INTERFACE, &[_, _, _, 0, _, class, subclass, protocol, ..]) => {
                interfaces.push(ClassCode(class, subclass, protocol));
            }
            _ => {}
        }
        rest = after;
    }
    interfaces
}

#[cfg(test)]
mod tests {
    use super::{ClassCode, DeviceNumbers, build, read_device, read_interfaces};

    const NUMBERS: DeviceNumbers = DeviceNumbers {
        usb_version: 0x0200,
        class: ClassCode(0xef, 2, 1),
        vendor_id: 0x046d,
        product_id: 0xc077,
        device_version: 0x7200,
        max_packet_size: 64,
        configurations: 1,
    };

    #[test]
    fn reads_back_what_it_builds() {
        let interfaces = [ClassCode(3, 1, 1), ClassCode(8, 6, 0x50)];
        let bytes = build(&NUMBERS, [true, false, true], &interfaces);
        assert_eq!(bytes.len(), 18 + 9 + 2 * 16);
        assert_eq!(bytes[14..17], [1, 0, 3]);
        assert_eq!(u16::from_le_bytes([bytes[20], bytes[21]]), 9 + 2 * 16);
        assert_eq!(read_device(&bytes), Some(NUMBERS));
        assert_eq!(read_interfaces(&bytes), interfaces);
    }

    #[test]
    fn stops_at_malformed_descriptors() {
        assert_eq!(read_device(&[18, 1, 0]), None);
        assert_eq!(read_interfaces(&[0, 0, 0]), []);
        assert_eq!(read_interfaces(&[1, 4]), []);
        assert_eq!(read_interfaces(&[9, 4, 0, 0]), []);
        assert_eq!(read_interfaces(&[4, 4, 0, 0, 9, 4, 0, 0, 0, 8, 6, 80, 0]), [ClassCode(8, 6, 80)]);
    }

    #[test]
    fn parses_class_codes() {
        assert_eq!(ClassCode::parse("08/06/50"), Some(ClassCode(8, 6, 0x50)));
        assert_eq!(ClassCode::parse("08/06"), None);
        assert_eq!(ClassCode::parse("08/06/50/1"), None);
        assert_eq!(ClassCode::parse("08/06/zz"), None);
    }
}
