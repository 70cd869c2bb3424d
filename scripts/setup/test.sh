#!/bin/sh
# What the tests need beyond the build: a Redis server, a Prometheus, a browser, a kernel to boot, the namespace bed.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

need "the tests" redis-server qemu-system-x86 busybox-static udev xz-utils cpio strace openssl util-linux python3 gcc libc6-dev prometheus chromium fonts-dejavu-core
sh scripts/setup/build.sh
sh scripts/setup/redis-servers.sh
sh scripts/setup/node-versions.sh
sh scripts/setup/qemu-kernel.sh
sh scripts/setup/python.sh
cargo build --quiet --release -p usb-testbed
