#![no_main]

libfuzzer_sys::fuzz_target!(|json: &[u8]| usb_daemon_core::fuzz_support::config(json));
