//! Tells the linker what it cannot know: that Node provides the N-API symbols, and which functions are to lie together.

use std::env::{var, var_os};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Functions in the order in which they are first called (scripts/order/record.mjs): where crates' and places' numbers are, which each
/// compiler gives anew, a `*`.
const ORDER: &str = "scripts/order/functions.txt";

fn main() {
    println!("cargo:rerun-if-env-changed=LIBUDEV_NO_PKG_CONFIG");
    assert!(
        var_os("LIBUDEV_NO_PKG_CONFIG").is_some(),
        "LIBUDEV_NO_PKG_CONFIG is not set, so libusb might link libudev: build inside the checkout, where \
         .cargo/config.toml sets it"
    );
    napi_build::setup();
    println!("cargo:rerun-if-changed={ORDER}");
    // Only what is shipped is built for size.
    if var("OPT_LEVEL").is_ok_and(|level| level == "z")
        && var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux")
    {
        order_functions();
    }
}

/// Has the linker put what every daemon runs at the beginning of the code: the kernel maps 64 KB around each page that is touched, which
/// is all of it where those functions lie anywhere (docs/adr/0005).
fn order_functions() {
    let order = fs::read_to_string(ORDER).unwrap_or_else(|error| panic!("{ORDER}: {error}"));
    // What registers the addon's classes lies in sections that lack their functions' names.
    let mut script = String::from("SECTIONS\n{\n  .text.first :\n  {\n    *(.text.startup)\n");
    for function in order.lines() {
        // Where compilers put a function that they expect to be called seldom, or once; and after a point the numbers of copies and parts.
        for section in [".text", ".text.unlikely", ".text.startup"] {
            let _ = writeln!(script, "    *({section}.{function} {section}.{function}.*)");
        }
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    let file = Path::new(&var("OUT_DIR").expect("cargo names it")).join("order.ld");
    fs::write(&file, script).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    println!("cargo:rustc-link-arg-cdylib=-T{}", file.display());
}
