//! A tree, hub by hub.

use usb_daemon_core::{Device, PresentDevice};

use super::{classes, drivers, id, names, pad, speed, text, widest};
use crate::style::{Ink, Style};

struct Row<'a> {
    present: &'a PresentDevice,
    /// Lines down from the hubs above, and the port's name.
    branch: String,
    is_meant: bool,
}

/// Draws the devices that are meant, and the hubs that lead to them. `devices` has hubs before what hangs on them.
pub(super) fn draw(
    devices: &[PresentDevice],
    is_meant: impl Fn(&PresentDevice) -> bool,
    style: Style,
) -> String {
    let shown: Vec<&PresentDevice> = devices
        .iter()
        .filter(|present| {
            devices.iter().any(|other| is_meant(other) && leads_to(present.device(), other.device()))
        })
        .collect();
    let rows: Vec<Row<'_>> = shown
        .iter()
        .enumerate()
        .map(|(at, present)| Row { present, branch: branch(&shown, at), is_meant: is_meant(present) })
        .collect();
    let drivers: Vec<String> = rows.iter().map(|row| driver_or_class(row.present)).collect();
    let speeds: Vec<String> = rows.iter().map(|row| speed(row.present.device())).collect();
    let branch_width = widest(rows.iter().map(|row| row.branch.as_str()));
    let driver_width = widest(drivers.iter().map(String::as_str));
    let speed_width = widest(speeds.iter().map(String::as_str));
    let mut drawn = String::new();
    for ((row, driver), speed) in rows.iter().zip(&drivers).zip(&speeds) {
        let device = row.present.device();
        let line = format!(
            "{}  {}  {speed:>speed_width$}  {}  {}",
            pad(&row.branch, branch_width),
            id(device),
            pad(driver, driver_width),
            strings(device),
        );
        let line = line.trim_end();
        drawn.push_str(&if row.is_meant { line.to_owned() } else { style.paint(Ink::Faint, line) });
        drawn.push('\n');
    }
    drawn
}

/// Whether `hub` is `device` or one of the hubs above it.
fn leads_to(hub: &Device, device: &Device) -> bool {
    hub.port_path.bus() == device.port_path.bus()
        && device.port_path.ports().starts_with(hub.port_path.ports())
}

/// What stands left of the device at `at`: `│  └─ 1-4.2`.
fn branch(shown: &[&PresentDevice], at: usize) -> String {
    let path = &shown[at].device().port_path;
    let mut branch = String::new();
    for depth in 1..=path.ports().len() {
        let (parent, own) = (&path.ports()[..depth - 1], path.ports()[depth - 1]);
        // Whether something follows under the same hub, on a port further on.
        let goes_on = shown[at..].iter().any(|other| {
            let other = &other.device().port_path;
            other.bus() == path.bus()
                && other.ports().starts_with(parent)
                && other.ports().get(depth - 1).is_some_and(|port| *port > own)
        });
        let is_own = depth == path.ports().len();
        branch.push_str(match (is_own, goes_on) {
            (true, true) => "├─ ",
            (true, false) => "└─ ",
            (false, true) => "│  ",
            (false, false) => "   ",
        });
    }
    branch + &path.name()
}

/// The drivers; where there are none, the classes in brackets.
fn driver_or_class(present: &PresentDevice) -> String {
    if present.drivers().is_empty() { format!("[{}]", classes(present.device())) } else { drivers(present) }
}

fn strings(device: &Device) -> String {
    let mut said = names(device).to_vec();
    if let Some(serial) = &device.serial_number {
        said.push(format!("serial {}", text(Some(serial))));
    }
    if device.partial {
        said.push("(partial)".to_owned());
    }
    said.retain(|part| !part.is_empty());
    said.join(" ")
}
