#!/bin/sh
# Makes the checkout whole: a C compiler, the npm packages, the addon. Does nothing that is done already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

command -v cargo >/dev/null || { echo "setup: cargo is missing: install Rust 1.88 or newer" >&2; exit 1; }
command -v cc >/dev/null || need "building libusb and the addon" gcc libc6-dev

# npm keeps a copy of what it installed; it is newer than the lock file as long as that has not changed.
if [ ! -e node_modules/.package-lock.json ] || [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
	echo "setup: installing npm packages" >&2
	npm ci --no-audit --no-fund --loglevel=error >&2
	touch node_modules/.package-lock.json
fi

[ -n "$(ls js/*.node 2>/dev/null)" ] || echo "setup: building the addon (a few minutes the first time)" >&2
if [ -t 2 ]; then
	# Somebody is watching: cargo shows how far it is.
	npm run --silent build >&2
else
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	npm run --silent build >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
