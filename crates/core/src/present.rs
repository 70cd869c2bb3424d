//! What is connected now, from what the operating system lists (sysfs, on Linux) alone: no daemon, no source, no privilege.

use std::collections::VecDeque;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::device::{Device, SerialMemory, StableId};
use crate::error::Error;
use crate::event::{Attachment, Backend, DeviceInfo};
use crate::platform::bus::{Description, Listing, StringsToRead};
use crate::threads;

/// How long strings are waited for: a driver that hangs in its probe keeps them for as long as it does.
const PATIENCE: Duration = Duration::from_millis(500);
/// Each waits for one device's lock at a time.
const READERS: usize = 8;

/// A device that is connected.
#[derive(Clone, Debug)]
pub struct PresentDevice {
    attachment: Attachment,
    drivers: Vec<String>,
}

impl PresentDevice {
    /// What is known of it.
    pub fn device(&self) -> &Device {
        &self.attachment.device
    }

    /// Which unit it is, as far as it can be told from what is there now.
    pub fn stable_id(&self) -> &StableId {
        &self.attachment.stable_id
    }

    /// The drivers of its interfaces, each once.
    pub fn drivers(&self) -> &[String] {
        &self.drivers
    }

    /// The contract's `USBDeviceInfo`. No event is told of it, so there is no `eventId`; when it came is not known, so both
    /// times are those of this look.
    pub fn info(&self) -> DeviceInfo<'_> {
        self.attachment.info(self.attachment.attached_at_ms, Backend::Snapshot)
    }
}

/// What is connected to the USB buses: bus by bus, each hub before what hangs on it. Strings are waited for half a second at most,
/// and left unread where they need longer (`partial`).
///
/// # Errors
/// `ERR_USB_SYSTEM` where there is a USB bus and it cannot be listed.
pub fn present_devices() -> Result<Vec<PresentDevice>, Error> {
    Ok(present(Listing::now()?))
}

fn present(mut listing: Listing) -> Vec<PresentDevice> {
    let (names, descriptions): (Vec<String>, Vec<Description>) =
        std::mem::take(&mut listing.devices).into_iter().unzip();
    let mut devices: Vec<(String, Device)> = names.into_iter().zip(whole(descriptions)).collect();
    devices.sort_by(|(_, a), (_, b)| place(a).cmp(&place(b)));
    let now = clock::now_ms();
    let mut serials = SerialMemory::default();
    let present = devices.into_iter().map(|(name, device)| PresentDevice {
        drivers: listing.drivers(&name),
        attachment: Attachment {
            signature: device.signature(),
            stable_id: serials.attach(&device),
            attached_at_ms: now,
            tags: vec![],
            instance: 0,
            device,
        },
    });
    present.collect()
}

fn place(device: &Device) -> (u16, &[u8]) {
    (device.port_path.bus(), device.port_path.ports())
}

/// Reads the strings that are missing, several at a time.
fn whole(descriptions: Vec<Description>) -> Vec<Device> {
    let mut devices = Vec::with_capacity(descriptions.len());
    let mut queue = VecDeque::new();
    for description in descriptions {
        match description {
            Description::Whole(device) => devices.push(device),
            Description::WithoutStrings(strings) => {
                let at = devices.len();
                devices.push(strings.without());
                queue.push_back((at, strings));
            }
        }
    }
    let readers = READERS.min(queue.len());
    let queue = Arc::new(Mutex::new(queue));
    let (done, results) = channel();
    for _ in 0..readers {
        let (queue, done) = (Arc::clone(&queue), done.clone());
        // Not joined: it may have to wait for a driver. Without a thread, what is known has to do.
        let _ = threads::spawn("aw-strings", move || read(&queue, &done));
    }
    drop(done);
    let deadline = Instant::now() + PATIENCE;
    while let Ok((at, device)) = results.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        devices[at] = device;
    }
    devices
}

fn read(queue: &Mutex<VecDeque<(usize, StringsToRead)>>, done: &Sender<(usize, Device)>) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    while let Some((at, strings)) = next() {
        if done.send((at, strings.read())).is_err() {
            return;
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    struct Tree(PathBuf);

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    impl Tree {
        fn new(test: &str) -> Self {
            let root = std::env::temp_dir().join(format!("usb-daemon-present-{test}-{}", std::process::id()));
            fs::create_dir_all(root.join("bus/usb/devices")).expect("a bus");
            Self(root)
        }

        fn add(&self, name: &str, devnum: &str) {
            let devpath = format!("devices/pci0000:00/0000:00:14.0/usb1/{name}");
            let directory = self.0.join(&devpath);
            fs::create_dir_all(&directory).expect("a directory");
            symlink(format!("../../../{devpath}"), self.0.join("bus/usb/devices").join(name))
                .expect("a link");
            let mut descriptors = [0_u8; 18];
            (descriptors[0], descriptors[1], descriptors[8], descriptors[15]) = (18, 1, 0x6d, 2);
            fs::write(directory.join("descriptors"), descriptors).expect("an attribute");
            for (file, text) in
                [("busnum", "1\n"), ("devnum", devnum), ("product", "A thing\n"), ("speed", "480\n")]
            {
                fs::write(directory.join(file), text).expect("an attribute");
            }
        }
    }

    fn present_devices(root: &Path) -> Result<Vec<PresentDevice>, Error> {
        Listing::of(root).map(present)
    }

    fn names(devices: &[PresentDevice]) -> Vec<String> {
        devices.iter().map(|present| present.device().port_path.name()).collect()
    }

    #[test]
    fn devices_come_in_the_order_of_their_ports_hubs_before_what_hangs_on_them() {
        let tree = Tree::new("order");
        for (name, devnum) in [("1-10", "5\n"), ("1-2.1", "4\n"), ("1-2", "3\n"), ("1-1", "2\n")] {
            tree.add(name, devnum);
        }
        assert_eq!(names(&present_devices(&tree.0).expect("a listing")), ["1-1", "1-2", "1-2.1", "1-10"]);
    }

    #[test]
    fn the_info_is_that_of_an_attach_without_an_event() {
        let tree = Tree::new("info");
        tree.add("1-2", "3\n");
        let devices = present_devices(&tree.0).expect("a listing");
        let info = serde_json::to_value(devices[0].info()).expect("JSON");
        assert_eq!((&info["product"], &info["speed"]), (&"A thing".into(), &480.0.into()));
        assert_eq!(
            (&info["backend"], &info["stableId"]),
            (&"snapshot".into(), &"006d:0000@0000:00:14.0-2".into())
        );
        assert!(info.get("eventId").is_none() && info.get("synthetic").is_none(), "{info}");
    }

    #[test]
    fn a_machine_without_a_bus_has_no_devices() {
        assert!(present_devices(Path::new("/nowhere")).expect("no bus is no error").is_empty());
    }

    #[test]
    fn a_string_that_does_not_come_leaves_its_device_partial_and_keeps_no_other_waiting() {
        let tree = Tree::new("stuck");
        tree.add("1-1", "2\n");
        tree.add("1-2", "3\n");
        // Nobody writes to it: reading waits, as the kernel lets one wait for a driver that hangs.
        let product = tree.0.join("devices/pci0000:00/0000:00:14.0/usb1/1-1/product");
        fs::remove_file(&product).expect("removed");
        rustix::fs::mknodat(rustix::fs::CWD, &product, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .expect("a pipe");
        let devices = present_devices(&tree.0).expect("a listing");
        let partial = devices.iter().map(|present| present.device().partial);
        assert_eq!(partial.collect::<Vec<_>>(), [true, false]);
        assert_eq!(devices[1].device().product.as_deref(), Some("A thing"));
    }
}
