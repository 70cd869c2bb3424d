//! What each stage of an event's way costs by itself. `cargo bench -p usb-daemon-core`; `bench/parts/micro.mjs` reads what it prints.

#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to tell")]

mod devices;
mod events;
mod instances;
mod names;
#[cfg(target_os = "linux")]
mod uevents;

fn main() {
    divan::main();
}
