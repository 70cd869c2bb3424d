//! A device as a program describes it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Address, Device, DeviceDescriptor, Functions, InterfaceClass, PortPath};
use crate::stream_field::{PORTS, SPEED, fault, speed};

/// Where a program says that a device is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenLocation {
    bus_number: u16,
    device_address: u16,
    #[serde(default)]
    port_path: String,
}

impl GivenLocation {
    fn address(&self) -> Address {
        Address { bus: self.bus_number, device: self.device_address }
    }

    /// # Errors
    /// A sentence, where the path is none.
    fn port_path(&self) -> Result<PortPath, String> {
        let ports = &self.port_path;
        PortPath::under(self.bus_number, ports)
            .ok_or_else(|| fault("location.portPath", format_args!("{ports:?}"), PORTS))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    device_descriptor: DeviceDescriptor,
    location: GivenLocation,
    manufacturer: Option<String>,
    product: Option<String>,
    serial_number: Option<String>,
    #[serde(default)]
    interfaces: Vec<InterfaceClass>,
    speed: Option<serde_json::Number>,
}

impl Device {
    /// Reads a device that a program has described as JSON.
    ///
    /// # Errors
    /// A sentence that names what is wrong.
    pub(crate) fn given(json: &str) -> Result<Self, String> {
        // Read by name: a struct could also be read from a list of values.
        let object: Map<String, Value> = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let given: Given =
            serde_json::from_value(Value::Object(object)).map_err(|error| error.to_string())?;
        // What is told has to be readable in the stream.
        if let Some(rate) = given.speed.as_ref().filter(|rate| speed(&rate.to_string()).is_none()) {
            return Err(fault("speed", rate, SPEED));
        }
        Ok(Self {
            address: given.location.address(),
            port_path: given.location.port_path()?,
            descriptor: given.device_descriptor,
            manufacturer: given.manufacturer,
            product: given.product,
            serial_number: given.serial_number,
            speed: given.speed.map(|speed| speed.to_string()),
            interfaces: given.interfaces,
            functions: Functions::default(),
            power: None,
            bus_path: None,
            inode: None,
            partial: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_that_no_reader_of_the_stream_takes_is_refused() {
        let given = |speed: &str| {
            Device::given(&format!(
                r#"{{ "deviceDescriptor": {{}}, "location": {{ "busNumber": 1, "deviceAddress": 2 }}, "speed": {speed} }}"#
            ))
        };
        assert_eq!(given("1.5").expect("low speed").speed.as_deref(), Some("1.5"));
        assert!(given("1e300").expect_err("no such speed").starts_with("speed is 1e"));
    }
}
