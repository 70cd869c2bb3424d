#!/bin/sh
# Puts the symbols of the shipped addons, which a debugger needs and nobody else, into one archive. The same files give the same bytes.
#
#   scripts/release/symbols.sh dist/addons dist/symbols
set -eu

[ $# = 2 ] && [ -d "$1" ] || { echo "usage: symbols.sh ADDONS FOLDER" >&2; exit 2; }
version=$(node "$(dirname "$0")/version.mjs")
mkdir -p "$2"
archive=$(cd "$2" && pwd)/usb-daemon-$version-symbols.tar.gz
cd "$1"

set --
for addon in *.node; do
	name=${addon%.node}
	for symbols in "$name.debug" "$name.dSYM" "$name.pdb"; do
		[ -e "$symbols" ] && break
	done
	[ -e "$symbols" ] || { echo "symbols: $addon has none beside it" >&2; exit 1; }
	set -- "$@" "$symbols"
done
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX -cf - -- "$@" | gzip -9n >"$archive"
