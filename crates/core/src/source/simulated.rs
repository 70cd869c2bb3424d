//! Simulated devices: for demos, load and tests of what comes behind the sources. Never a proof that one hears.
//!
//! A simulated device is described in full by whoever plugs it in; it never meets sysfs, and reconciliation leaves
//! it alone. Its bus numbers begin where the kernel's end in practice, so that it is not taken for a real one.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::device::{Address, Device, DeviceDescriptor, Functions, InterfaceClass, PortPath};
use crate::error::{Code, Error};
use crate::threads;

/// First bus number of the demonstration's devices.
pub const FIRST_BUS: u16 = 200;

/// A device to be simulated. Everything but `name` has a default.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SimulatedDevice {
    /// Where it is plugged in, as the kernel would call it: `200-1.2`.
    pub name: String,
    /// Vendor ID.
    #[serde(default)]
    pub vendor_id: u16,
    /// Product ID.
    #[serde(default)]
    pub product_id: u16,
    /// Manufacturer string.
    #[serde(default)]
    pub manufacturer: Option<String>,
    /// Product string.
    #[serde(default)]
    pub product: Option<String>,
    /// Serial number string.
    #[serde(default)]
    pub serial_number: Option<String>,
    /// Device class.
    #[serde(default)]
    pub device_class: u8,
    /// Interface classes.
    #[serde(default)]
    pub interfaces: Vec<InterfaceClass>,
    /// Mbit/s.
    #[serde(default)]
    pub speed: Option<String>,
}

/// What a simulated port does.
#[derive(Clone, Debug)]
pub enum SimulatedCommand {
    /// A device is plugged in.
    Plug(Box<Device>),
    /// The device at this port is pulled.
    Unplug(PortPath),
}

impl SimulatedCommand {
    /// Plugs `device` in; `address` is the device address that it gets, 1 to 127.
    ///
    /// # Errors
    /// `ERR_USB_DEVICE` where the name is not a port's.
    pub fn plug(device: SimulatedDevice, address: u16) -> Result<Self, Error> {
        let port_path = port(&device.name)?;
        Ok(Self::Plug(Box::new(Device {
            address: Address { bus: port_path.bus(), device: address },
            port_path,
            descriptor: DeviceDescriptor {
                b_length: 18,
                b_descriptor_type: 1,
                bcd_usb: 0x0200,
                b_device_class: device.device_class,
                b_max_packet_size0: 64,
                id_vendor: device.vendor_id,
                id_product: device.product_id,
                bcd_device: 0x0100,
                i_manufacturer: device.manufacturer.is_some().into(),
                i_product: if device.product.is_some() { 2 } else { 0 },
                i_serial_number: if device.serial_number.is_some() { 3 } else { 0 },
                b_num_configurations: 1,
                ..DeviceDescriptor::default()
            },
            manufacturer: device.manufacturer,
            product: device.product,
            serial_number: device.serial_number,
            speed: device.speed,
            interfaces: device.interfaces,
            functions: Functions::default(),
            power: None,
            bus_path: Some("simulated".into()),
            inode: None,
            partial: false,
        })))
    }

    /// Pulls the device at the port called `name`.
    ///
    /// # Errors
    /// `ERR_USB_DEVICE` where the name is not a port's.
    pub fn unplug(name: &str) -> Result<Self, Error> {
        port(name).map(Self::Unplug)
    }
}

fn port(name: &str) -> Result<PortPath, Error> {
    PortPath::parse(name).ok_or_else(|| {
        Error::new(
            Code::Device,
            format!("{name:?} is not a port: write bus number, dash and hub ports, as in {FIRST_BUS}-1.2"),
        )
    })
}

/// The demonstration: a hub, and devices that come and go on it. Dropping it stops and joins its thread.
pub struct Demonstration {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Demonstration {
    /// Starts to play, with this pause between two steps.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start(pause: Duration, send: impl Fn(SimulatedCommand) + Send + 'static) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = threads::spawn("aw-simulated", move || {
            for command in demonstration() {
                send(command);
                if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(source = "simulated", "demonstration panicked");
        }
    }
}

/// So many steps of the [`demonstration`] make a cycle: everything has come and gone.
pub const CYCLE: usize = 2 * CAST.len();

/// Endless: plugs in the cast one after another, pulls it from the last to the first, and starts again with new
/// addresses.
pub fn demonstration() -> impl Iterator<Item = SimulatedCommand> {
    (0_u16..).flat_map(|round| {
        let size = u16::try_from(CAST.len()).unwrap_or(u16::MAX);
        let plugs = CAST.iter().zip(0..).map(move |(actor, at)| {
            let address = 2 + round.wrapping_mul(size).wrapping_add(at) % 126;
            SimulatedCommand::plug(actor.device(), address)
        });
        // The hub goes last: what hangs on it goes before it.
        let pulls = CAST.iter().rev().map(|actor| SimulatedCommand::unplug(actor.name));
        // The cast's names are ports, as the test below shows.
        plugs.chain(pulls).filter_map(Result::ok)
    })
}

struct Actor {
    name: &'static str,
    ids: (u16, u16),
    strings: [&'static str; 3],
    interface: (u8, u8, u8),
    speed: &'static str,
}

const CAST: [Actor; 4] = [
    Actor {
        name: "200-1",
        ids: (0x0409, 0x55aa),
        strings: ["Example", "Hub", ""],
        interface: (9, 0, 0),
        speed: "480",
    },
    Actor {
        name: "200-1.1",
        ids: (0x046d, 0xc31c),
        strings: ["Example", "Keyboard", ""],
        interface: (3, 1, 1),
        speed: "1.5",
    },
    Actor {
        name: "200-1.2",
        ids: (0x0403, 0x6001),
        strings: ["Example", "Serial Adapter", "A1B2C3"],
        interface: (255, 255, 255),
        speed: "12",
    },
    Actor {
        name: "200-1.4",
        ids: (0x0781, 0x5581),
        strings: ["Example", "Flash Drive", "0401d7"],
        interface: (8, 6, 80),
        speed: "480",
    },
];

impl Actor {
    fn device(&self) -> SimulatedDevice {
        let string = |at: usize| (!self.strings[at].is_empty()).then(|| self.strings[at].to_owned());
        let (class, subclass, protocol) = self.interface;
        SimulatedDevice {
            name: self.name.to_owned(),
            vendor_id: self.ids.0,
            product_id: self.ids.1,
            manufacturer: string(0),
            product: string(1),
            serial_number: string(2),
            device_class: if class == 9 { 9 } else { 0 },
            interfaces: vec![InterfaceClass { class, subclass, protocol }],
            speed: Some(self.speed.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_plugs_and_pulls_the_whole_cast_again_and_again() {
        let steps: Vec<SimulatedCommand> = demonstration().take(CAST.len() * 4).collect();
        let plugs = steps.iter().filter(|step| matches!(step, SimulatedCommand::Plug(_))).count();
        assert_eq!((steps.len(), plugs), (16, 8));
        let SimulatedCommand::Plug(first) = &steps[0] else { panic!("the hub comes first") };
        let SimulatedCommand::Unplug(last) = &steps[7] else { panic!("the hub goes last") };
        assert_eq!(&first.port_path, last);
    }

    #[test]
    fn a_name_that_is_no_port_is_refused_with_an_example() {
        let error = SimulatedCommand::unplug("left socket").expect_err("not a port");
        assert_eq!(error.code, Code::Device);
        assert!(error.message.contains("200-1.2"), "{error}");
    }
}
