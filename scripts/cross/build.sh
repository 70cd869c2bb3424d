#!/bin/sh
# Builds what is shipped for one platform, into dist/addons:
#   scripts/cross/build.sh linux-x64-gnu | linux-x64-musl | linux-arm64-gnu | linux-arm64-musl | linux-arm-gnueabihf | win32-x64-gnu
# The last one is not shipped: it lets the tests see Windows' side of the code here. Windows and macOS are built on their own systems, by
# "node scripts/build.mjs --dist".
set -eu

[ $# = 1 ] || { sed -n '2,3s/^# *//p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/../.."
case $1 in
win32-*) sh scripts/cross/toolchain.sh windows ;;
*) sh scripts/cross/toolchain.sh ;;
esac
exec node scripts/cross/build.mjs "$1"
