//! A line a device, in columns.

use usb_daemon_core::PresentDevice;

use super::{classes, drivers, id, names, pad, speed, text, widest};
use crate::style::{Ink, Style};

const HEAD: [&str; 9] =
    ["BUS:DEV", "PORT", "ID", "SPEED", "CLASS", "DRIVER", "MANUFACTURER", "PRODUCT", "SERIAL"];

pub(super) fn draw(devices: &[&PresentDevice], style: Style) -> String {
    let rows: Vec<[String; 9]> = devices.iter().map(|present| row(present)).collect();
    let widths: Vec<usize> = HEAD
        .iter()
        .enumerate()
        .map(|(at, head)| widest(std::iter::once(*head).chain(rows.iter().map(|row| row[at].as_str()))))
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![style.paint(Ink::Strong, &line(&mut HEAD.into_iter()))];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n") + "\n"
}

fn row(present: &PresentDevice) -> [String; 9] {
    let device = present.device();
    let [manufacturer, product] = names(device);
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        format!("{:03}:{:03}", device.address.bus, device.address.device),
        device.port_path.name(),
        id(device),
        speed(device),
        classes(device),
        drivers(present),
        or_dash(manufacturer),
        or_dash(product),
        or_dash(text(device.serial_number.as_ref())),
    ]
}
