//! The announcer by itself, with the hub and the intake behind it, for benchmarks.

use std::fmt;
use std::sync::Arc;

use super::announcer::{Announcer, Cause, Key};
use crate::bench_support::place;
use crate::clock::Moment;
use crate::config::OutboxConfig;
use crate::delivery::Delivery;
use crate::device::{Address, Device, PortPath};
use crate::event::Backend;
use crate::hub::Hub;
use crate::outbox::{Earlier, Intake, Series, StatusBoard};

/// So many notices are left to the subscriber before it takes them, as JavaScript does.
const BATCH: usize = 256;

/// An announcer that has told of so many devices, which are connected.
pub struct Announcing {
    announcer: Announcer,
    intake: Arc<Intake>,
    delivery: Arc<Delivery>,
    device: Device,
    key: Key,
}

impl fmt::Debug for Announcing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Announcing").finish_non_exhaustive()
    }
}

impl Announcing {
    /// `device` comes and goes besides `count` others like it.
    pub fn new(device: Device, count: u16) -> Self {
        let delivery = Arc::new(Delivery::new(100_000, Box::new(|| ())));
        let hub = Hub::new(Arc::clone(&delivery), StatusBoard::default(), Vec::new());
        let series = Series { producer: "bench".into(), last_seq: 0 };
        let intake = Arc::new(Intake::new(series, &OutboxConfig::default()));
        delivery.set_come(Box::new(intake.come()));
        let announcer = Announcer::new(hub, Arc::clone(&intake), Earlier::default(), Arc::default());
        let key = Key::Kernel(device.port_path.name());
        let mut this = Self { announcer, intake, delivery, device, key };
        for at in 0..count {
            let (name, address) = place(at);
            let other = this.device_at(&name, address);
            this.announcer.attach(&Key::Kernel(name), other, cause());
        }
        this.take();
        this
    }

    /// It comes and goes once; gives how many events that were.
    pub fn pair(&mut self) -> usize {
        self.announcer.attach(&self.key, self.device.clone(), cause());
        self.announcer.detach(&self.key, cause());
        if self.delivery.backlog().waiting >= BATCH as u64 { self.take() } else { 0 }
    }

    fn take(&mut self) -> usize {
        while self.delivery.take(BATCH).1 {}
        self.intake.take().events.len()
    }

    fn device_at(&self, name: &str, address: Address) -> Device {
        let port_path = PortPath::parse(name).unwrap_or_else(|| PortPath::new(address.bus, Vec::new()));
        Device { address, port_path, ..self.device.clone() }
    }
}

fn cause() -> Cause {
    Cause {
        backend: Backend::Netlink,
        synthetic: None,
        observed: Moment::now(),
        libusb_alive: true,
        seqnum: None,
    }
}
