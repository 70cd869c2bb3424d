#!/bin/sh
# What the tests need beyond the build: a Redis server, a kernel to boot, the namespace bed.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

need "the tests" redis-server qemu-system-x86 busybox-static udev xz-utils cpio strace openssl util-linux gcc libc6-dev

# What waits for the network, beside what keeps the processors busy.
(
	sh scripts/setup/redis-servers.sh
	sh scripts/setup/node-versions.sh
	sh scripts/setup/qemu-kernel.sh
) &
fetching=$!
built=0
{ sh scripts/setup/build.sh && cargo build --quiet --release -p usb-testbed; } || built=$?
wait "$fetching"
exit "$built"
