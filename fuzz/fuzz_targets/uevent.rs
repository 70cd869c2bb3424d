#![no_main]

libfuzzer_sys::fuzz_target!(|message: &[u8]| usb_daemon_core::fuzz_support::uevent(message));
