#![no_main]

libfuzzer_sys::fuzz_target!(|block: &[u8]| usb_daemon_core::fuzz_support::usb_ids(block));
