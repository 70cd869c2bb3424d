#!/bin/sh
# Makes stand-ins for the base images that deploy/container/Dockerfile names, for machines that reach no image registry: Debian
# bookworm by debootstrap with this machine's Node, and with `rust` its Rust for the build stage. They go into a store under
# .cache/container, as localhost/stand-in/node:20-bookworm-slim and localhost/stand-in/rust:slim-bookworm.
# Does nothing when they are there already. As root or with sudo.
#   bases.sh [rust]
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh
# shellcheck source=scripts/container/store.sh
. scripts/container/store.sh

[ "$(id -u)" = 0 ] || exec sudo -n env PATH="$PATH" sh "$0" "$@"
need "the image" buildah debootstrap

node_image=localhost/stand-in/node:20-bookworm-slim
rust_image=localhost/stand-in/rust:slim-bookworm
has() { store inspect --type image "$1" >/dev/null 2>&1; }
quietly() { "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; return 1; }; }

if has "$node_image" && { [ "${1-}" != rust ] || has "$rust_image"; }; then exit 0; fi
mkdir -p "$place"
work=$(mktemp -d "$place/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

if ! has "$node_image"; then
	echo "bases: Debian by debootstrap (a minute)" >&2
	quietly debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root"
	rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
	# As in the official image: Node under /usr/local, its user, and package managers that the Dockerfile takes away.
	install -m 755 "$(node -p process.execPath)" "$work/root/usr/local/bin/node"
	chroot "$work/root" useradd --uid 1000 --create-home node
	mkdir -p "$work/root/usr/local/lib/node_modules/npm/bin" "$work/root/opt/yarn-v1.22.22/bin"
	ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
	ln -s /opt/yarn-v1.22.22/bin/yarn "$work/root/usr/local/bin/yarn"
	container=$(store from scratch)
	store add --quiet "$container" "$work/root" / >/dev/null
	store config --cmd node --entrypoint '["docker-entrypoint.sh"]' "$container"
	store commit --quiet --rm "$container" "$node_image" >/dev/null
fi

if [ "${1-}" = rust ] && ! has "$rust_image"; then
	echo "bases: this machine's Rust on that Debian" >&2
	container=$(store from "$node_image")
	# What this machine trusts: its registries may be behind an authority of their own.
	store copy --quiet "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt >/dev/null
	quietly store run "$container" -- sh -c 'rm /usr/local/bin/node && apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev'
	store add --quiet "$container" "$(rustc --print sysroot)/bin" /usr/local/rust/bin >/dev/null
	store add --quiet "$container" "$(rustc --print sysroot)/lib" /usr/local/rust/lib >/dev/null
	store config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		--env CARGO_HOME=/usr/local/cargo "$container"
	store commit --quiet --rm "$container" "$rust_image" >/dev/null
fi
