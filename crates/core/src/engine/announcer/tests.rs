use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use crate::config::{FiltersConfig, OutboxConfig};
use crate::delivery::Delivery;
use crate::log::{Log, LogLevel};
use crate::outbox::{Series, StatusBoard};
use crate::ready::{Node, Obstacle, Readiness, Reason};
use crate::test_support::{device, event};

/// An announcer with one attachment of an earlier run, in this boot or another.
fn announcer(boot: &str) -> (Announcer, Arc<Intake>) {
    let hub = Hub::new(Arc::new(Delivery::new(100, Box::new(|| ()))), StatusBoard::default(), Vec::new());
    let series = Series { producer: "test".into(), last_seq: 1 };
    let intake = Arc::new(Intake::new(series, &OutboxConfig::default()));
    let attach = (*event(1, Action::Attach, 1)).clone();
    let earlier = Earlier::new(false, vec![("1-4.2".into(), attach, boot.into())], "boot", "boot");
    (Announcer::new(hub, Arc::clone(&intake), earlier, Arc::default()), intake)
}

fn told(intake: &Intake) -> Vec<(Action, Option<Synthetic>)> {
    intake.take().events.iter().map(|incoming| (incoming.event.action, incoming.event.synthetic)).collect()
}

fn cause(backend: Backend) -> Cause {
    Cause {
        backend,
        synthetic: None,
        observed: Moment { ms: 1, at: Instant::now() },
        libusb_alive: true,
        seqnum: None,
    }
}

fn nothing_earlier(filters: &FiltersConfig) -> (Announcer, Arc<Intake>) {
    let (announcer, intake) = announcer("boot");
    let hub = announcer.hub.clone();
    let filters = Arc::new(Filters::new(filters).expect("no file"));
    (Announcer::new(hub, Arc::clone(&intake), Earlier::default(), filters), intake)
}

#[test]
fn a_device_that_a_program_and_the_kernel_tell_of_is_one_whoever_is_first() {
    let (mut announcer, intake) = nothing_earlier(&FiltersConfig::default());
    let (kernel, program) = (Key::Kernel("1-4.2".into()), Key::Injected(device().address));
    announcer.attach(&program, device(), cause(Backend::Injected));
    assert_eq!(announcer.attach(&kernel, device(), cause(Backend::Netlink)), Verdict::Duplicate);
    assert_eq!(announcer.detach(&program, cause(Backend::Injected)), Verdict::Unknown, "it is the kernel's");
    assert_eq!(announcer.detach(&kernel, cause(Backend::Netlink)), Verdict::Announced);
    let events = intake.take().events;
    let told: Vec<_> = events.iter().map(|told| (told.event.action, told.key.as_str())).collect();
    assert_eq!(told, [(Action::Attach, "injected 1:5"), (Action::Detach, "injected 1:5")]);
    assert_eq!(events[0].event.attachment, events[1].event.attachment);
}

#[test]
fn another_device_at_the_address_of_a_reported_one_is_told_of() {
    let (mut announcer, intake) = nothing_earlier(&FiltersConfig::default());
    announcer.attach(&Key::Injected(device().address), device(), cause(Backend::Injected));
    let mut other = device();
    other.descriptor.id_product += 1;
    let verdict = announcer.attach(&Key::Kernel("1-4.2".into()), other, cause(Backend::Netlink));
    assert_eq!(verdict, Verdict::Announced);
    assert_eq!(intake.take().events.len(), 2);
}

#[test]
fn a_device_that_is_held_back_is_counted_once_however_often_it_is_reported() {
    let blacklist = FiltersConfig {
        vendor_blacklist: vec![crate::config::Id(device().descriptor.id_vendor)],
        ..FiltersConfig::default()
    };
    let (mut announcer, intake) = nothing_earlier(&blacklist);
    let key = Key::Injected(device().address);
    let cause = cause(Backend::Injected);
    assert_eq!(announcer.attach(&key, device(), cause), Verdict::Filtered);
    assert_eq!(announcer.attach(&key, device(), cause), Verdict::Duplicate);
    assert_eq!(announcer.detach(&key, cause), Verdict::Filtered);
    assert_eq!(announcer.detach(&key, cause), Verdict::Unknown);
    assert_eq!(intake.take().filtered, 2);
}

#[test]
fn what_is_changing_while_the_first_snapshot_is_taken_has_not_left() {
    let (mut announcer, intake) = announcer("boot");
    announcer.end_absent(|_| Fate::Unknown, true);
    assert_eq!(told(&intake), []);
    let there = Address { bus: 1, device: 5 };
    assert!(announcer.stay("1-4.2", there, || None, true), "the uevent that waited finds it as it was");
    announcer.end_absent(|_| Fate::Absent, true);
    assert_eq!(told(&intake), []);
}

#[test]
fn what_is_not_there_when_all_is_known_has_left() {
    let (mut announcer, intake) = announcer("boot");
    announcer.end_absent(|_| Fate::Unknown, true);
    announcer.end_absent(|_| Fate::Absent, true);
    assert_eq!(told(&intake), [(Action::Detach, Some(Synthetic::MissedWhileDown))]);
}

#[test]
fn what_was_there_before_another_boot_has_left_whatever_is_known() {
    let (mut announcer, intake) = announcer("another");
    announcer.end_absent(|_| Fate::Unknown, true);
    assert_eq!(told(&intake), [(Action::Detach, Some(Synthetic::Reboot))]);
}

/// The mouse at another port, as a unit with this serial number.
fn unit(port: &str, address: u16, serial: &str) -> (Key, Device) {
    let device = Device {
        address: Address { bus: 1, device: address },
        port_path: PortPath::parse(port).expect("a port"),
        serial_number: Some(serial.into()),
        ..device()
    };
    (Key::Kernel(port.into()), device)
}

/// The names that have been told, and the serial numbers that are to be remembered as shared.
fn named(intake: &Intake) -> (Vec<String>, Vec<String>) {
    let taken = intake.take();
    let names = taken.events.iter().map(|incoming| incoming.event.attachment.stable_id.id.clone());
    (names.collect(), taken.shared.into_iter().map(|unit| unit.serial).collect())
}

const BY_SERIAL: &str = "046d:0077:X";

/// An announcer after a restart in the same boot: the unit X was told of at 1-4.2.
fn with_unit() -> (Announcer, Arc<Intake>) {
    let (Announcer { ref hub, .. }, intake) = announcer("boot");
    let hub = hub.clone();
    let (_, device) = unit("1-4.2", 5, "X");
    let stable_id = SerialMemory::default().attach(&device);
    let attach = (*event(1, Action::Attach, 1)).clone();
    let attachment = Attachment { device, stable_id, ..(*attach.attachment).clone() };
    let attach = Event { attachment: Arc::new(attachment), ..attach };
    let earlier = Earlier::new(false, vec![("1-4.2".into(), attach, "boot".into())], "boot", "boot");
    (Announcer::new(hub, Arc::clone(&intake), earlier, Arc::default()), intake)
}

#[test]
fn a_name_of_an_earlier_run_is_given_to_no_other_device_before_it_is_known_to_have_stayed() {
    let (mut announcer, intake) = with_unit();
    let (key, other) = unit("1-3", 9, "X");
    announcer.attach(&key, other, cause(Backend::Snapshot));
    assert!(announcer.stay("1-4.2", Address { bus: 1, device: 5 }, || None, true));
    assert_eq!(named(&intake), (vec!["046d:0077@usb1-3".into()], vec!["X".into()]));
}

#[test]
fn a_device_that_has_moved_while_no_daemon_ran_keeps_its_name() {
    let (mut announcer, intake) = with_unit();
    announcer.end_absent(|_| Fate::Absent, true);
    let (key, moved) = unit("1-3", 9, "X");
    announcer.attach(&key, moved, cause(Backend::Snapshot));
    assert_eq!(named(&intake), (vec![BY_SERIAL.into(), BY_SERIAL.into()], vec![]), "a detach and an attach");
}

#[test]
fn a_serial_number_that_a_device_has_that_is_held_back_is_in_use() {
    let filters =
        FiltersConfig { vendor_blacklist: vec![crate::config::Id(0x1209)], ..FiltersConfig::default() };
    let (mut announcer, intake) = nothing_earlier(&filters);
    let (held_back, mut device) = unit("1-1", 2, "X");
    device.descriptor.id_vendor = 0x1209;
    announcer.attach(&held_back, device.clone(), cause(Backend::Netlink));
    announcer.set_filters(Arc::default());
    device.address.device = 3;
    announcer.attach(&Key::Kernel("1-2".into()), device.clone(), cause(Backend::Netlink));
    assert_eq!(named(&intake), (vec!["1209:0077@usb1-1".into()], vec!["X".into()]));
}

#[test]
fn how_far_a_device_is_has_a_line_of_its_event_and_what_stands_in_its_way_is_for_people() {
    let (mut announcer, _) = nothing_earlier(&FiltersConfig::default());
    announcer.attach(&Key::Kernel("1-4.2".into()), device(), cause(Backend::Netlink));
    let instance = announcer.hub.devices()[0].attachment.instance;
    let readiness = |obstacles: Vec<Obstacle>| Readiness {
        is_ready: obstacles.is_empty(),
        obstacles,
        timestamp: 0,
        elapsed_ms: 12.5,
        interfaces: Vec::new(),
        capabilities: Vec::new(),
        nodes: vec![Node { path: Some("/dev/ttyUSB0".into()), ..Node::default() }],
    };
    let busy = Obstacle { reason: Reason::UdevBusy, detail: "udev has not finished with ttyUSB0".into() };
    let log = Log::new(Arc::new(LogLevel::new("debug").expect("a level")), Box::new(|| ()));
    log.set_listened(true);
    log.within(|| {
        announcer.tell_ready(instance, readiness(vec![busy]));
        announcer.tell_ready(instance, readiness(Vec::new()));
    });
    let (lines, _) = log.take(8);
    let told: Vec<_> = lines.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(told, [("info", "not ready"), ("debug", "ready")]);
    let lines = serde_json::to_value(&lines).expect("lines");
    for line in lines.as_array().expect("lines") {
        assert_eq!(line["eventId"], "test:2");
        assert_eq!(line["fields"]["port"], "1-4.2");
        assert_eq!(line["fields"]["nodes"], "/dev/ttyUSB0");
    }
    assert_eq!(lines[0]["fields"]["obstacles"], "udev has not finished with ttyUSB0");
}

#[test]
fn the_outbox_is_woken_by_whoever_is_told_of_an_attach_or_after_a_moment_without() {
    let delivery = Arc::new(Delivery::new(100, Box::new(|| ())));
    let hub = Hub::new(Arc::clone(&delivery), StatusBoard::default(), Vec::new());
    let series = Series { producer: "test".into(), last_seq: 0 };
    let intake = Arc::new(Intake::new(series, &OutboxConfig::default()));
    delivery.set_come(Box::new(intake.come()));
    let mut announcer = Announcer::new(hub, Arc::clone(&intake), Earlier::default(), Arc::default());
    let woken = || pin!(intake.arrived()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let key = Key::Kernel("1-4.2".into());
    let cause = cause(Backend::Netlink);

    announcer.attach(&key, device(), cause);
    assert!(woken(), "nobody has ever taken anything");
    delivery.take(1);
    announcer.detach(&key, cause);
    assert!(woken(), "a detach waits for nobody");

    // However long this thread is kept, the time is looked at as it was before.
    let before = Instant::now();
    announcer.attach(&key, device(), cause);
    assert!(!woken());
    let until = announcer.look_after_waking(before).expect("a time to look again");
    assert!(until >= before + PATIENCE);
    delivery.take(1);
    assert!(woken());
    assert_eq!(announcer.look_after_waking(before), None, "it has come");

    announcer.detach(&key, cause);
    assert!(woken());
    let before = Instant::now();
    announcer.attach(&key, device(), cause);
    assert!(!woken());
    let until = announcer.look_after_waking(before).expect("a time to look again");
    assert_eq!(announcer.look_after_waking(until), None);
    assert!(woken(), "it has not come");
    announcer.detach(&key, cause);
    assert!(woken());
    announcer.attach(&key, device(), cause);
    assert!(woken(), "and is not counted on before it comes");

    delivery.take(1);
    announcer.detach(&key, cause);
    assert!(woken());
    announcer.attach(&key, device(), cause);
    assert!(!woken());
    drop(announcer);
    assert!(woken(), "nobody else would");
}
