#![no_main]

libfuzzer_sys::fuzz_target!(|record: &[u8]| usb_daemon_core::fuzz_support::outbox_record(record));
