#!/bin/sh
# Adds rustfmt and clippy to a Rust that came without them, as that of the official container image does. Does nothing where they are.
set -eu

if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then exit 0; fi
command -v rustup >/dev/null || { echo "components: this Rust has no rustfmt or no clippy, and no rustup that could add them" >&2; exit 1; }
rustup component add rustfmt clippy >&2
