//! Deciding that a device has come and gone, and telling of it, however many others are connected.

use divan::Bencher;
use usb_daemon_core::bench_support::{Announcing, Connected};

use crate::devices::device;

const CONNECTED: [u16; 3] = [10, 1_000, 10_000];

#[divan::bench(args = CONNECTED)]
fn registry_pair(bencher: Bencher, connected: u16) {
    let mut registry = Connected::new(connected);
    assert_eq!(registry.pair(), 2);
    bencher.bench_local(|| registry.pair());
}

#[divan::bench(args = CONNECTED)]
fn announcer_pair(bencher: Bencher, connected: u16) {
    let mut announcing = Announcing::new(device(), connected);
    bencher.bench_local(|| announcing.pair());
}
