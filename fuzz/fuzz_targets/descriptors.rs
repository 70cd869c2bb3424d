#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| usb_daemon_core::fuzz_support::descriptors(input));
