//! Lets the linker know that Node provides the N-API symbols.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBUDEV_NO_PKG_CONFIG");
    assert!(
        std::env::var_os("LIBUDEV_NO_PKG_CONFIG").is_some(),
        "LIBUDEV_NO_PKG_CONFIG is not set, so libusb might link libudev: build inside the checkout, where \
         .cargo/config.toml sets it"
    );
    napi_build::setup();
}
