use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::delivery::Delivery;
use crate::event::Action;
use crate::onlooker::Onlooker;
use crate::outbox::StatusBoard;
use crate::test_support::event;

/// A device without interfaces, with address 5 on bus 1.
fn device_folder(at: &Path) {
    fs::create_dir_all(at).expect("a folder");
    for (file, text) in
        [("idVendor", "1209"), ("idProduct", "dead"), ("authorized", "1"), ("busnum", "1"), ("devnum", "5")]
    {
        fs::write(at.join(file), text).expect("written");
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<Arc<DriverReport>>>);

impl Onlooker for Told {
    fn notice(&self, notice: &Notice) {
        if let Notice::Driver(report) = notice {
            self.0.lock().expect("no panic").push(Arc::clone(report));
        }
    }

    fn fact(&self, _: &Fact<'_>) {}
}

#[test]
fn a_device_that_gets_no_interfaces_is_looked_at_for_a_while_and_then_told_of() {
    let root = std::env::temp_dir().join(format!("usb-daemon-bare-{}", std::process::id()));
    device_folder(&root.join("bus/usb/devices/1-4.2"));
    let told = Arc::new(Told::default());
    let delivery = Arc::new(Delivery::new(1, Box::new(|| ())));
    let hub = Hub::new(delivery, StatusBoard::default(), vec![Arc::clone(&told) as _]);
    let rules = serde_json::json!({ "rules": [{ "match": { "vendor_id": "1209" } }] });
    let config = Arc::new(serde_json::from_value(rules).expect("rules"));
    let mut worker = Worker::new(config, hub, Arc::default(), Arc::default());
    (worker.kernel, worker.sysfs) = (Kernel::at(&root), Sysfs::new(&root));
    worker.see_to(Job::new(event(1, Action::Attach, 1), 0, Instant::now()));
    let mut looks = 1;
    let port = event(1, Action::Attach, 1).attachment.device.port_path.clone();
    while let Some(job) = worker.jobs.remove(&port) {
        assert!(told.0.lock().expect("no panic").is_empty(), "told after {looks} looks, and looked on");
        worker.see_to(job);
        looks += 1;
    }
    fs::remove_dir_all(&root).expect("removed");
    let told = told.0.lock().expect("no panic");
    let [report] = &told[..] else { panic!("{told:?}") };
    assert_eq!((report.state, report.attempts, report.requests.len()), (DriverState::Failed, 0, 0));
    assert!(report.reason.as_deref().is_some_and(|why| why.starts_with("it has no interfaces")));
    assert_eq!(looks, MOST_LOOKS + 1);
}

#[test]
fn what_is_read_of_a_device_that_came_meanwhile_is_not_this_ones() {
    let root = std::env::temp_dir().join(format!("usb-daemon-swapped-{}", std::process::id()));
    let devices = root.join("bus/usb/devices");
    let (place, successor) = (devices.join("1-4.2"), root.join("successor"));
    device_folder(&place);
    device_folder(&successor);
    let mut device = event(1, Action::Attach, 1).attachment.device.clone();
    let (kernel, sysfs) = (Kernel::at(&root), Sysfs::new(&root));
    device.inode = sysfs.inode("1-4.2");
    let read = facts_of(&kernel, &sysfs, &device).is_some();
    // Keeps waiting who reads it, until somebody writes.
    let gate = place.join("idVendor");
    fs::remove_file(&gate).expect("removed");
    mknodat(CWD, &gate, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
    let of_successor = thread::scope(|scope| {
        let reading = scope.spawn(|| facts_of(&kernel, &sysfs, &device));
        let mut writer = fs::OpenOptions::new().write(true).open(&gate).expect("somebody reads");
        fs::rename(&place, root.join("gone")).expect("moved");
        fs::rename(&successor, &place).expect("moved");
        writer.write_all(b"1209").expect("written");
        drop(writer);
        reading.join().expect("no panic")
    });
    // Of one that only the uevent has described, the address tells.
    device.inode = None;
    let by_address = facts_of(&kernel, &sysfs, &device).is_some();
    fs::write(place.join("devnum"), "6").expect("written");
    let of_another = facts_of(&kernel, &sysfs, &device);
    fs::remove_dir_all(&root).expect("removed");
    assert_eq!((read, of_successor, by_address, of_another), (true, None, true, None));
}

#[test]
fn a_driver_that_comes_of_itself_after_a_try_that_failed_is_told_of() {
    let root = std::env::temp_dir().join(format!("usb-daemon-worker-{}", std::process::id()));
    let devices = root.join("bus/usb/devices");
    for folder in ["1-1/1-1:1.0", "1-1:1.0"] {
        fs::create_dir_all(devices.join(folder)).expect("a folder");
    }
    for (file, text) in [("idVendor", "1209"), ("idProduct", "dead"), ("authorized", "1")] {
        fs::write(devices.join("1-1").join(file), text).expect("written");
    }
    let kernel = Kernel::at(&root);
    let before = kernel.facts("1-1").expect("there");
    let mut job = Job::new(event(1, Action::Attach, 1), 0, Instant::now());
    (job.attempts, job.unbound) = (2, vec!["1-1:1.0".into()]);
    let untried = come_since(&job, &kernel, &before);
    job.failed = Some((vec!["module x".into()], "no driver has taken it".into()));
    let without = come_since(&job, &kernel, &before);
    symlink("../../drivers/x", devices.join("1-1:1.0/driver")).expect("a link");
    let found = come_since(&job, &kernel, &before).expect("a report");
    fs::remove_dir_all(&root).expect("removed");
    assert_eq!((untried, without), (None, None));
    assert_eq!((found.state, found.attempts, found.requests.len()), (DriverState::Bound, 1, 1));
    assert_eq!(
        found.interfaces,
        [BoundInterface { name: "1-1:1.0".into(), driver: "x".into(), heard: false }]
    );
    assert_eq!(found.reason.as_deref(), Some("no driver has taken it"));
    assert_eq!(come_since(&job, &kernel, &before), None, "it has gone");
}
