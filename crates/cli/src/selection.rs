//! Which devices are meant: the options that `list`, `watch` and `wait` share.

use std::fmt;

use clap::Args;
use usb_daemon_core::{Device, PortPath, Readiness, StableId};

use crate::class;

/// Of each of them by itself: a heading of the struct would go on over whatever follows it.
const HEADING: &str = "Which devices";

/// A device is meant where every option that is given fits.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Selection {
    /// Vendor ID in hex, 046d or 0x046d; several with commas between
    #[arg(help_heading = HEADING, long, value_name = "ID", env = "USB_DAEMON_VENDOR", hide_env_values = true, value_delimiter = ',', value_parser = id)]
    vendor: Vec<u16>,
    /// Product ID in hex, as for the vendor
    #[arg(help_heading = HEADING, long, value_name = "ID", env = "USB_DAEMON_PRODUCT", hide_env_values = true, value_delimiter = ',', value_parser = id)]
    product: Vec<u16>,
    /// Serial number, as the device has it
    #[arg(help_heading = HEADING, long, value_name = "TEXT", env = "USB_DAEMON_SERIAL", hide_env_values = true)]
    serial: Option<String>,
    /// The same unit as in an event, by its stable ID (0403:6001:A9); with an @ in it, whatever of that model hangs on that port
    #[arg(help_heading = HEADING, long, value_name = "ID", env = "USB_DAEMON_STABLE_ID", hide_env_values = true, value_parser = stable_id)]
    stable_id: Option<String>,
    /// Port, with its bus (1-4.2) or on any (4.2)
    #[arg(help_heading = HEADING, long, value_name = "PORT", env = "USB_DAEMON_PORT", hide_env_values = true, value_parser = port)]
    port: Option<String>,
    /// Class of the device or of one of its interfaces: 08, 0x08 or a name (audio, hid, hub, printer, storage, video, …)
    #[arg(help_heading = HEADING, long, value_name = "CLASS", env = "USB_DAEMON_CLASS", hide_env_values = true, value_delimiter = ',', value_parser = class::parse)]
    class: Vec<u8>,
    /// What the device can do: hid:keyboard, storage:uas, or serial:* for any kind; several with commas between
    #[arg(help_heading = HEADING, long, value_name = "WORD", env = "USB_DAEMON_CAPABILITY", hide_env_values = true, value_delimiter = ',', value_parser = capability)]
    capability: Vec<String>,
}

impl Selection {
    /// Whether any device will do.
    pub(crate) fn is_empty(&self) -> bool {
        self.vendor.is_empty()
            && self.product.is_empty()
            && self.serial.is_none()
            && self.stable_id.is_none()
            && self.port.is_none()
            && self.class.is_empty()
            && self.capability.is_empty()
    }

    /// Whether this device is meant.
    pub(crate) fn takes(&self, device: &Device, named: &StableId) -> bool {
        self.takes_what_can(device, named, |wanted| device.can(wanted))
    }

    /// Whether this device is meant, of which more is known now that it may be used.
    pub(crate) fn takes_ready(&self, device: &Device, named: &StableId, readiness: &Readiness) -> bool {
        self.takes_what_can(device, named, |wanted| device.can(wanted) || readiness.can(wanted))
    }

    fn takes_what_can(&self, device: &Device, named: &StableId, can: impl Fn(&str) -> bool) -> bool {
        let descriptor = &device.descriptor;
        let mut classes = vec![descriptor.b_device_class];
        classes.extend(device.interfaces.iter().map(|interface| interface.class));
        let port = &device.port_path;
        fits(&self.vendor, &[descriptor.id_vendor])
            && fits(&self.product, &[descriptor.id_product])
            && fits(&self.class, &classes)
            && (self.capability.is_empty() || self.capability.iter().any(|wanted| can(wanted)))
            && self.serial.as_ref().is_none_or(|serial| device.serial_number.as_ref() == Some(serial))
            && self.stable_id.as_ref().is_none_or(|wanted| *wanted == named.id)
            && self.port.as_ref().is_none_or(|wanted| *wanted == port.name() || *wanted == port.to_string())
    }
}

/// An empty list is no condition.
fn fits<T: PartialEq>(wanted: &[T], found: &[T]) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| found.contains(one))
}

/// As it was asked for: `vendor 046d, class storage`.
impl fmt::Display for Selection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = |ids: &[u16]| ids.iter().map(|id| format!("{id:04x}")).collect::<Vec<_>>().join(" or ");
        let classes = self.class.iter().map(|class| class::name(*class)).collect::<Vec<_>>().join(" or ");
        let said = [
            ("vendor", ids(&self.vendor)),
            ("product", ids(&self.product)),
            ("serial", self.serial.clone().unwrap_or_default()),
            ("stable ID", self.stable_id.clone().unwrap_or_default()),
            ("port", self.port.clone().unwrap_or_default()),
            ("class", classes),
            ("capability", self.capability.join(" or ")),
        ];
        let said = said.iter().filter(|(_, value)| !value.is_empty());
        let said: Vec<String> = said.map(|(option, value)| format!("{option} {value}")).collect();
        out.write_str(&said.join(", "))
    }
}

fn id(text: &str) -> Result<u16, String> {
    usb_daemon_core::hex(text, 4)
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| "expected up to four hexadecimal digits, as in 046d or 0x046d".to_owned())
}

fn stable_id(text: &str) -> Result<String, String> {
    if !StableId::is_id(text) {
        let form =
            "expected vvvv:pppp:<serial> or vvvv:pppp@<bus>-<ports>, as `list --json` and events have it";
        return Err(form.to_owned());
    }
    // Our own IDs have lower case; a serial number is as it is.
    let (ids, rest) = text.split_at(IDS);
    Ok(format!("{}{rest}", ids.to_lowercase()))
}

/// So long is `vvvv:pppp`.
const IDS: usize = 9;

fn capability(text: &str) -> Result<String, String> {
    let is_word = |part: &str| {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        !part.is_empty() && part.bytes().all(is_part)
    };
    match text.split_once(':') {
        Some((group, kind)) if is_word(group) && (kind == "*" || is_word(kind)) => Ok(text.to_owned()),
        _ => Err("expected a capability, as in hid:keyboard, or a group of them, as in serial:*".to_owned()),
    }
}

fn port(text: &str) -> Result<String, String> {
    let is_port = PortPath::parse(text).is_some() || PortPath::parse(&format!("1-{text}")).is_some();
    if is_port {
        Ok(text.to_owned())
    } else {
        Err("expected hub ports joined by dots, as in 4.2 or 1-4.2".to_owned())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;
    use usb_daemon_core::{Address, DeviceDescriptor, Functions, Identity, InterfaceClass};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        selection: Selection,
    }

    fn selection(line: &str) -> Result<Selection, String> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.selection).map_err(|error| error.to_string())
    }

    pub(crate) fn disk(port: &str) -> Device {
        Device {
            address: Address { bus: 1, device: 5 },
            port_path: PortPath::parse(port).expect("a port"),
            descriptor: DeviceDescriptor { id_vendor: 0x0781, id_product: 0x5581, ..Default::default() },
            manufacturer: Some("SanDisk".into()),
            product: Some("Ultra".into()),
            serial_number: Some("0401d7".into()),
            speed: Some("480".into()),
            interfaces: vec![InterfaceClass { class: 8, subclass: 6, protocol: 80 }],
            functions: Functions::default(),
            power: None,
            bus_path: None,
            inode: None,
            partial: false,
        }
    }

    fn named(id: &str) -> StableId {
        StableId { id: id.into(), identity: Identity::Serial }
    }

    #[test]
    fn hexadecimal_letters_of_a_stable_id_may_be_capital_and_those_of_a_serial_number_are_as_they_are() {
        let selection = selection("--stable-id 04A9:220E:Ab").expect("valid");
        assert!(selection.takes(&disk("1-4.2"), &named("04a9:220e:Ab")));
        assert!(!selection.takes(&disk("1-4.2"), &named("04a9:220e:ab")));
    }

    #[test]
    fn every_option_that_is_given_has_to_fit() {
        for (line, expected) in [
            ("", true),
            ("--vendor 0781", true),
            ("--vendor 0x781 --product 5581", true),
            ("--vendor 046d,0781", true),
            ("--vendor 0781 --product 5582", false),
            ("--class 08", true),
            ("--class storage", true),
            ("--class hid", false),
            ("--capability storage:bulk-only", true),
            ("--capability hid:mouse,storage:*", true),
            ("--capability storage:uas", false),
            ("--capability hid:*", false),
            ("--stable-id 0781:5581:0401d7", true),
            ("--stable-id 0781:5581:0401D7", false),
            ("--stable-id 0781:5581@usb1-4.2", false),
            ("--serial 0401d7", true),
            ("--serial 0401D7", false),
            ("--port 1-4.2", true),
            ("--port 4.2", true),
            ("--port 2-4.2", false),
        ] {
            assert_eq!(
                selection(line).expect(line).takes(&disk("1-4.2"), &named("0781:5581:0401d7")),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_an_example() {
        for (line, expected) in [
            ("--vendor 46dxx", "046d or 0x046d"),
            ("--vendor 1046d", "046d or 0x046d"),
            ("--product +1", "046d or 0x046d"),
            ("--class 1ff", "storage"),
            ("--class toaster", "storage"),
            ("--port left", "4.2 or 1-4.2"),
            ("--stable-id 0781:5581", "vvvv:pppp:<serial>"),
            ("--stable-id 0401d7", "as `list --json`"),
            ("--stable-id é781:5581:0401d7", "vvvv:pppp:<serial>"),
            ("--capability storage", "hid:keyboard"),
            ("--capability *:uas", "hid:keyboard"),
            ("--capability storage:U*", "hid:keyboard"),
        ] {
            let error = selection(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn it_says_what_was_asked_for() {
        let found = selection(
            "--vendor 46d,0x0781 --class 8 --capability hid:*,av:video --port 4.2 --stable-id 04a9:220e:A",
        )
        .expect("valid")
        .to_string();
        assert_eq!(
            found,
            "vendor 046d or 0781, stable ID 04a9:220e:A, port 4.2, class storage, capability hid:* or av:video"
        );
    }
}
