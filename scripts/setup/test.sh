#!/bin/sh
# What the tests need beyond the build: a Redis server, a Prometheus, a browser, a kernel to boot, what judges manifests.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

need "building the addon" gcc libc6-dev

# What waits for the network and the disk, beside what keeps the processors busy.
(
	need "the tests" redis-server qemu-system-x86 busybox-static udev xz-utils cpio strace openssl util-linux python3 prometheus chromium fonts-dejavu-core
	need "the tests of the service" systemd init-system-helpers lintian
	need "the tests of containers" crun uidmap iproute2 golang-github-containers-common buildah debootstrap
	sh scripts/setup/redis-servers.sh
	sh scripts/setup/node-versions.sh
	sh scripts/setup/qemu-kernel.sh
	sh scripts/setup/python.sh
	sh scripts/setup/tools.sh
	sh scripts/setup/usbguard.sh
	# Those of other platforms, too: the bill of materials is of all.
	cargo fetch --quiet --locked
	# The fuzzers' lock file goes with the core's manifest.
	cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
	sh scripts/setup/kubernetes.sh
	sh scripts/container/bases.sh
) &
fetching=$!
built=0
{ sh scripts/setup/build.sh && cargo build --quiet --release -p usb-testbed; } || built=$?
wait "$fetching" || { echo "setup: the tests do not have all that they need: see above" >&2; exit 1; }
exit "$built"
