#![no_main]

libfuzzer_sys::fuzz_target!(|store: &[u8]| usb_daemon_core::fuzz_support::object_store(store));
