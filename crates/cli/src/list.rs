//! `usb-daemon list`: what is connected now, asked of sysfs itself.

mod columns;
mod tree;

use std::io::{IsTerminal as _, stdout};

use clap::Args;
use usb_daemon_core::{Code, Device, Error, PresentDevice, present_devices};

use crate::class;
use crate::line::printable;
use crate::origins::Origins;
use crate::platform::bus::has_usb_bus;
use crate::printer::print_once;
use crate::selection::Selection;
use crate::status;
use crate::style::Style;
use crate::yes_or_no::yes_or_no;

pub(crate) const AFTER_HELP: &str = "\
Examples:
  usb-daemon list                              a tree on a terminal, columns in a pipe
  usb-daemon list --class storage --columns    drives, a line each
  usb-daemon list --json | jq -r .stableId     one object a device, as attach events have it, without eventId

Needs no daemon and no rights: sysfs is read, and no device is opened. A device whose driver keeps it busy for half a \
second is listed without its strings (partial).

Exit codes:
  0  done, whether or not there is anything
  1  the bus cannot be listed
  2  bad arguments";

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    selection: Selection,
    /// A tree, hub by hub [default: on a terminal]
    #[arg(long, env = "USB_DAEMON_TREE", hide_env_values = true, value_parser = yes_or_no)]
    tree: bool,
    /// A line a device, in columns [default: in a pipe]
    #[arg(long, env = "USB_DAEMON_COLUMNS", hide_env_values = true, value_parser = yes_or_no)]
    columns: bool,
    /// One JSON object a device, a line each
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    json: bool,
}

impl ListArguments {
    /// Leaves the one format that goes before the others: what has been typed before a variable.
    pub(crate) fn learn(&mut self, origins: &Origins) {
        let chosen = [("json", self.json), ("tree", self.tree), ("columns", self.columns)];
        let strongest = origins.strongest(&chosen);
        self.json = strongest == Some("json");
        self.tree = strongest == Some("tree");
        self.columns = strongest == Some("columns");
    }
}

/// Lists what is connected.
pub(crate) fn list(arguments: &ListArguments) -> Result<(), Error> {
    let devices = present_devices()?;
    let selected: Vec<&PresentDevice> = devices
        .iter()
        .filter(|present| arguments.selection.takes(present.device(), present.stable_id()))
        .collect();
    let is_tree = arguments.tree || (!arguments.columns && stdout().is_terminal());
    let text = if arguments.json {
        objects(&selected)?
    } else if selected.is_empty() {
        status(match (has_usb_bus(), devices.is_empty()) {
            (false, _) => "this machine has no USB bus",
            (true, true) => "nothing is connected",
            (true, false) => "no device is like that",
        });
        String::new()
    } else if is_tree {
        tree::draw(
            &devices,
            |present| arguments.selection.takes(present.device(), present.stable_id()),
            Style::of_stdout(),
        )
    } else {
        columns::draw(&selected, Style::of_stdout())
    };
    print_once(&text)
}

fn objects(devices: &[&PresentDevice]) -> Result<String, Error> {
    let mut text = String::new();
    for present in devices {
        let object = serde_json::to_string(&present.info())
            .map_err(|error| Error::new(Code::System, format!("a device cannot be written: {error}")))?;
        text.push_str(&object);
        text.push('\n');
    }
    Ok(text)
}

fn id(device: &Device) -> String {
    format!("{:04x}:{:04x}", device.descriptor.id_vendor, device.descriptor.id_product)
}

/// `480M`, as `lsusb -t` has it.
fn speed(device: &Device) -> String {
    device.speed.as_ref().map_or_else(|| "-".to_owned(), |speed| format!("{}M", printable(speed)))
}

/// Names of the classes of its interfaces, else of the device itself.
fn classes(device: &Device) -> String {
    let mut names: Vec<String> = Vec::new();
    for interface in &device.interfaces {
        let name = class::name(interface.class);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() && device.descriptor.b_device_class != 0 {
        names.push(class::name(device.descriptor.b_device_class));
    }
    if names.is_empty() { "-".to_owned() } else { names.join(",") }
}

fn drivers(present: &PresentDevice) -> String {
    let drivers = present.drivers().join(",");
    if drivers.is_empty() { "-".to_owned() } else { printable(&drivers) }
}

/// What the device is called, by its maker and by itself: as it says, else as its IDs are known.
fn names(device: &Device) -> [String; 2] {
    let known = device.known_names();
    [
        text(known.vendor.as_ref().or(device.manufacturer.as_ref())),
        text(known.product.as_ref().or(device.product.as_ref())),
    ]
}

fn text(string: Option<&String>) -> String {
    string.map(|string| printable(string)).unwrap_or_default()
}

/// As wide as it looks, as far as one character takes one place.
fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or_default()
}
