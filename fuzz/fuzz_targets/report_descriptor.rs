#![no_main]

libfuzzer_sys::fuzz_target!(|descriptor: &[u8]| usb_daemon_core::fuzz_support::report_descriptor(descriptor));
