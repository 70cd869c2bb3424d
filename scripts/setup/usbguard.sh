#!/bin/sh
# Puts USBGuard's own parser of rules into .cache/usbguard: the filter's is compared with it. Does nothing when it is there already.
# The package is unpacked and not installed: its daemon would block the devices of whoever runs the tests.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

place=.cache/usbguard
[ ! -x "$place/usbguard-rule-parser" ] || exit 0

need "the comparison with USBGuard" libusbguard1
mkdir -p .cache
work=$(mktemp -d ".cache/usbguard.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
# _apt may not write to a folder of somebody else's, and says so at length.
(cd "$work" && apt-get download -qq usbguard >/dev/null 2>&1)
dpkg-deb -x "$work"/usbguard_*.deb "$work/tree"
"$work/tree/usr/bin/usbguard-rule-parser" --help >/dev/null 2>&1 || { echo "usbguard: its parser cannot be run" >&2; exit 1; }
mkdir -p "$place"
# Two runs at once: either copy will do.
mv "$work/tree/usr/bin/usbguard-rule-parser" "$place/"
