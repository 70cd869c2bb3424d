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
# npm ci empties the folder that a link points to, which is another checkout's.
if [ -L node_modules ]; then
	echo "bench: node_modules is a link to $(readlink node_modules): nothing is installed or built here" >&2
else
	sh scripts/setup/build.sh
fi
# USB_BED names a bed that is built already.
[ -n "${USB_BED-}" ] || cargo build --quiet --release -p usb-testbed
