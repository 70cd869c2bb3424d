#!/bin/sh
# What the fuzzers need beyond the build: a compiler for libFuzzer, whose sources come with its crate.
set -eu

# shellcheck source=scripts/setup/packages.sh
. "$(dirname "$0")/packages.sh"

need "libFuzzer" g++ libc6-dev
