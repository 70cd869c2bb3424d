#![no_main]

libfuzzer_sys::fuzz_target!(|state: &[u8]| usb_daemon_core::fuzz_support::outbox_state(state));
