#![no_main]

libfuzzer_sys::fuzz_target!(|policy: &[u8]| usb_daemon_core::fuzz_support::usbguard_rules(policy));
