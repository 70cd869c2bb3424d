#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| usb_daemon_core::fuzz_support::kernel_log(bytes));
