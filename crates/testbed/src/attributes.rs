//! What the attribute files of a device and of an interface say.

use crate::attachment::{Attachment, MAJOR};

pub(crate) type Attributes = Vec<(&'static str, Vec<u8>)>;

/// A device's attributes before its configuration is chosen.
pub(crate) fn of_device(attachment: &Attachment) -> Attributes {
    let device = &attachment.device;
    let numbers = &device.numbers;
    let mut attributes = vec![
        ("authorized", line("1")),
        ("bConfigurationValue", Vec::new()),
        ("bDeviceClass", line(format!("{:02x}", numbers.class.0))),
        ("bDeviceProtocol", line(format!("{:02x}", numbers.class.2))),
        ("bDeviceSubClass", line(format!("{:02x}", numbers.class.1))),
        ("bMaxPacketSize0", line(numbers.max_packet_size.to_string())),
        ("bMaxPower", Vec::new()),
        ("bNumConfigurations", line(numbers.configurations.to_string())),
        ("bNumInterfaces", Vec::new()),
        ("bcdDevice", line(format!("{:04x}", numbers.device_version))),
        ("bmAttributes", Vec::new()),
        ("busnum", line(attachment.name.bus().to_string())),
        ("descriptors", device.descriptors.clone()),
        ("dev", line(format!("{MAJOR}:{}", attachment.minor()))),
        ("devnum", line(attachment.address.to_string())),
        ("devpath", line(attachment.name.port_path())),
        ("idProduct", line(format!("{:04x}", numbers.product_id))),
        ("idVendor", line(format!("{:04x}", numbers.vendor_id))),
        ("maxchild", line(if device.is_hub() { "8" } else { "0" })),
        ("removable", line("unknown")),
        ("speed", line(device.speed.as_str())),
        ("uevent", uevent_file(&attachment.keys(true))),
        ("version", line(format!("{:2x}.{:02x}", numbers.usb_version >> 8, numbers.usb_version & 0xff))),
    ];
    for (name, text) in
        [("manufacturer", &device.manufacturer), ("product", &device.product), ("serial", &device.serial)]
    {
        attributes.extend(text.as_ref().map(|text| (name, line(text.as_slice()))));
    }
    attributes
}

/// What changes in a device's attributes once its configuration is chosen.
pub(crate) fn of_configuration(attachment: &Attachment) -> Attributes {
    vec![
        ("bConfigurationValue", line("1")),
        ("bNumInterfaces", line(format!("{:2}", attachment.device.interfaces.len()))),
        ("bmAttributes", line("80")),
        ("bMaxPower", line("100mA")),
    ]
}

pub(crate) fn of_interface(attachment: &Attachment, number: usize) -> Attributes {
    let class = attachment.device.interfaces.get(number).copied().unwrap_or_default();
    vec![
        ("bAlternateSetting", line(" 0")),
        ("bInterfaceClass", line(format!("{:02x}", class.0))),
        ("bInterfaceNumber", line(format!("{number:02x}"))),
        ("bInterfaceProtocol", line(format!("{:02x}", class.2))),
        ("bInterfaceSubClass", line(format!("{:02x}", class.1))),
        ("bNumEndpoints", line("01")),
        ("modalias", line(attachment.interface_alias(number))),
        ("uevent", uevent_file(&attachment.interface_keys(number, true))),
    ]
}

fn line(text: impl Into<Vec<u8>>) -> Vec<u8> {
    let mut line = text.into();
    line.push(b'\n');
    line
}

fn uevent_file(keys: &[(&'static str, String)]) -> Vec<u8> {
    let mut text = String::new();
    for (key, value) in keys {
        text.extend([key, "=", value, "\n"]);
    }
    text.into_bytes()
}
