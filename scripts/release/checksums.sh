#!/bin/sh
# Writes SHA256SUMS into a folder: a line for each file in it. "sha256sum -c SHA256SUMS" there checks them.
set -eu

[ $# = 1 ] && [ -d "$1" ] || { echo "usage: checksums.sh FOLDER" >&2; exit 2; }
cd "$1"
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
for file in *; do
	[ "$file" != SHA256SUMS ] && [ -e "$file" ] || continue
	[ -f "$file" ] || { echo "checksums: $file is no file" >&2; exit 1; }
	LC_ALL=C sha256sum -- "$file" >>"$fresh"
done
[ -s "$fresh" ] || { echo "checksums: $1 has no file" >&2; exit 1; }
cat "$fresh" >SHA256SUMS
