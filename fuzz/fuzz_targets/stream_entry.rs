#![no_main]

libfuzzer_sys::fuzz_target!(|entry: &[u8]| usb_daemon_core::fuzz_support::stream_entry(entry));
