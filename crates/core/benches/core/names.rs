//! What a device is called that does not say it.

use divan::{Bencher, black_box};
use usb_daemon_core::Device;

use crate::devices::device;

/// Of a vendor with few products, of one with the most, and unknown.
const IDS: [&str; 3] = ["0403:6001", "046d:c077", "fff1:0001"];

#[divan::bench(args = IDS)]
fn known_names(bencher: Bencher, id: &str) {
    let (vendor, product) = id.split_once(':').unwrap();
    let mut device = Device { manufacturer: None, product: None, ..device() };
    device.descriptor.id_vendor = u16::from_str_radix(vendor, 16).unwrap();
    device.descriptor.id_product = u16::from_str_radix(product, 16).unwrap();
    bencher.bench_local(|| black_box(&device).known_names());
}
