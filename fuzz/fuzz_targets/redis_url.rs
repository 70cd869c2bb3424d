#![no_main]

libfuzzer_sys::fuzz_target!(|url: &[u8]| usb_daemon_core::fuzz_support::redis_url(url));
