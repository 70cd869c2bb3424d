use super::*;
use crate::config::{FiltersConfig, OutboxConfig};
use crate::delivery::Delivery;
use crate::outbox::{Series, StatusBoard};
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
    let Announcer { hub, .. } = announcer;
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
