#!/bin/sh
# What the benchmarks need beyond the build: compilers for the peers, a Redis server, a kernel to boot.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

need "building the peers" g++ make libc6-dev libudev-dev libusb-1.0-0-dev pkg-config python3
need "the benchmarks" redis-server redis-tools qemu-system-x86 busybox-static udev xz-utils cpio util-linux
sh scripts/setup/qemu-kernel.sh
sh scripts/setup/build.sh
# USB_BED names a bed that is built already.
[ -n "${USB_BED-}" ] || cargo build --quiet --release -p usb-testbed
