//! A device as a test describes it, made whole.

use serde::Deserialize;

use crate::descriptor::{self, ClassCode, DeviceNumbers};
use crate::failure::Failure;
use crate::hex;

/// The fields of a control request that describe a device; what is left out is made up or read from `descriptors`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct DeviceFields {
    vendor_id: Option<Number>,
    product_id: Option<Number>,
    bcd_device: Option<Number>,
    descriptors: Option<String>,
    interfaces: Option<Vec<String>>,
    class: Option<String>,
    manufacturer: Option<Text>,
    product: Option<Text>,
    serial: Option<Text>,
    speed: Option<String>,
}

/// A number, or its hex digits with or without `0x`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Value(u16),
    Hex(String),
}

/// A string descriptor; hostile ones come as bytes, since JSON could not carry them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Bytes { bytes_hex: String },
}

/// A device that can be plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) numbers: DeviceNumbers,
    pub(crate) descriptors: Vec<u8>,
    pub(crate) interfaces: Vec<ClassCode>,
    pub(crate) manufacturer: Option<Vec<u8>>,
    pub(crate) product: Option<Vec<u8>>,
    pub(crate) serial: Option<Vec<u8>>,
    pub(crate) speed: String,
}

const MAX_INTERFACES: usize = 32;

impl Device {
    pub(crate) fn root_hub(controller_address: &str) -> Self {
        let numbers = DeviceNumbers {
            usb_version: 0x0200,
            class: ClassCode(ClassCode::HUB, 0, 1),
            vendor_id: 0x1d6b,
            product_id: 0x0002,
            device_version: 0x0601,
            max_packet_size: 64,
            configurations: 1,
        };
        let interfaces = vec![ClassCode(ClassCode::HUB, 0, 0)];
        Self {
            numbers,
            descriptors: descriptor::build(&numbers, [true; 3], &interfaces),
            interfaces,
            manufacturer: Some(b"Linux 6.1.0 xhci-hcd".to_vec()),
            product: Some(b"xHCI Host Controller".to_vec()),
            serial: Some(controller_address.as_bytes().to_vec()),
            speed: "480".to_owned(),
        }
    }

    pub(crate) fn is_hub(&self) -> bool {
        self.numbers.class.0 == ClassCode::HUB
    }
}

impl TryFrom<&DeviceFields> for Device {
    type Error = Failure;

    fn try_from(fields: &DeviceFields) -> Result<Self, Failure> {
        let given = fields.descriptors.as_deref().map(hex::decode).transpose()?;
        let read = given.as_deref().and_then(descriptor::read_device);
        let id = |field: &Option<Number>, name: &str, read: Option<u16>| match field {
            Some(number) => number.value(),
            None => read.ok_or_else(|| Failure::refused(format!("{name} is missing"))),
        };
        let interfaces = match (&fields.interfaces, &given) {
            (Some(codes), _) => codes.iter().map(|code| class_code(code)).collect::<Result<_, _>>()?,
            (None, Some(bytes)) => descriptor::read_interfaces(bytes),
            (None, None) => vec![ClassCode(0xff, 0xff, 0xff)],
        };
        if interfaces.len() > MAX_INTERFACES {
            return Err(Failure::refused(format!("a configuration has at most {MAX_INTERFACES} interfaces")));
        }
        let numbers = DeviceNumbers {
            usb_version: read.map_or(0x0200, |read| read.usb_version),
            class: match &fields.class {
                Some(code) => class_code(code)?,
                None => read.map(|read| read.class).unwrap_or_default(),
            },
            vendor_id: id(&fields.vendor_id, "vendor_id", read.map(|read| read.vendor_id))?,
            product_id: id(&fields.product_id, "product_id", read.map(|read| read.product_id))?,
            device_version: id(
                &fields.bcd_device,
                "bcd_device",
                Some(read.map_or(0x0100, |read| read.device_version)),
            )?,
            max_packet_size: read.map_or(64, |read| read.max_packet_size),
            configurations: read.map_or(1, |read| read.configurations),
        };
        let text = |field: &Option<Text>| field.as_ref().map(Text::bytes).transpose();
        let (manufacturer, product, serial) =
            (text(&fields.manufacturer)?, text(&fields.product)?, text(&fields.serial)?);
        let strings = [&manufacturer, &product, &serial].map(Option::is_some);
        Ok(Self {
            numbers,
            descriptors: given.unwrap_or_else(|| descriptor::build(&numbers, strings, &interfaces)),
            interfaces,
            manufacturer,
            product,
            serial,
            speed: fields.speed.clone().unwrap_or_else(|| "480".to_owned()),
        })
    }
}

impl Number {
    fn value(&self) -> Result<u16, Failure> {
        match self {
            Self::Value(value) => Ok(*value),
            Self::Hex(digits) => u16::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16)
                .map_err(|_| Failure::refused(format!("{digits:?} is not a hex number of 16 bits"))),
        }
    }
}

impl Text {
    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Plain(text) => Ok(text.as_bytes().to_vec()),
            Self::Bytes { bytes_hex } => hex::decode(bytes_hex),
        }
    }
}

fn class_code(text: &str) -> Result<ClassCode, Failure> {
    ClassCode::parse(text)
        .ok_or_else(|| Failure::refused(format!("{text:?} is not a class code such as 03/01/01")))
}

#[cfg(test)]
mod tests {
    use super::{ClassCode, Device, DeviceFields};

    fn device(json: &str) -> Result<Device, String> {
        let fields: DeviceFields = serde_json::from_str(json).unwrap();
        Device::try_from(&fields).map_err(|failure| failure.to_string())
    }

    #[test]
    fn ids_come_as_numbers_or_hex() {
        let mouse = device(r#"{"vendor_id":1133,"product_id":"0xc077","interfaces":["03/01/02"]}"#).unwrap();
        assert_eq!((mouse.numbers.vendor_id, mouse.numbers.product_id), (0x046d, 0xc077));
        assert_eq!(mouse.interfaces, [ClassCode(3, 1, 2)]);
        assert_eq!(mouse.descriptors[8..12], [0x6d, 0x04, 0x77, 0xc0]);
    }

    #[test]
    fn descriptors_fill_in_what_is_not_said() {
        let hub = device(
            r#"{"descriptors":"12010002090001400904580000010102000109021900010100e0320904000001090000000705810301000c"}"#,
        )
        .unwrap();
        assert_eq!((hub.numbers.vendor_id, hub.numbers.product_id), (0x0409, 0x0058));
        assert!(hub.is_hub());
        assert_eq!(hub.interfaces, [ClassCode(9, 0, 0)]);
    }

    #[test]
    fn malformed_descriptors_pass_through_beside_stated_ids() {
        let odd = device(r#"{"vendor_id":"1","product_id":"2","descriptors":"00"}"#).unwrap();
        assert_eq!(odd.descriptors, [0]);
        assert!(device(r#"{"descriptors":"00"}"#).unwrap_err().contains("vendor_id"));
    }

    #[test]
    fn strings_may_be_bytes_that_are_no_text() {
        let hostile = device(r#"{"vendor_id":1,"product_id":2,"serial":{"bytes_hex":"0aeda080"}}"#).unwrap();
        assert_eq!(hostile.serial.unwrap(), [0x0a, 0xed, 0xa0, 0x80]);
        assert_eq!(hostile.product, None);
    }
}
