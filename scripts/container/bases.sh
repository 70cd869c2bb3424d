#!/bin/sh
# Makes stand-ins for the base images that deploy/container/Dockerfile names, for machines that reach no image registry:
# Debian bookworm by debootstrap, with this machine's Node and, for the build stage, its Rust. Root only. They go into a store of
# their own under .cache/container, as localhost/stand-in/node:20-bookworm-slim and localhost/stand-in/rust:slim-bookworm.
# Does nothing when they are there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh
# shellcheck source=scripts/container/store.sh
. scripts/container/store.sh

node_image=localhost/stand-in/node:20-bookworm-slim
rust_image=localhost/stand-in/rust:slim-bookworm

need "building the image" buildah debootstrap ca-certificates
mkdir -p "$place"

if ! store inspect --type image "$node_image" >/dev/null 2>&1; then
	work=$(mktemp -d "$place/debian.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "bases: Debian by debootstrap (a minute)" >&2
	debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
	rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
	# As in the official image: Node under /usr/local, and package managers that the Dockerfile takes away.
	install -m 755 "$(readlink -f "$(command -v node)")" "$work/root/usr/local/bin/node"
	mkdir -p "$work/root/usr/local/lib/node_modules/npm/bin" "$work/root/opt/yarn-v1.22.22/bin"
	ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
	ln -s /opt/yarn-v1.22.22/bin/yarn "$work/root/usr/local/bin/yarn"
	chroot "$work/root" useradd --uid 1000 --create-home node
	container=$(store from scratch)
	store add --quiet "$container" "$work/root" / >/dev/null
	store config --cmd node --entrypoint '["docker-entrypoint.sh"]' "$container"
	store commit --quiet --rm "$container" "$node_image" >/dev/null
	rm -rf "$work"
fi

if ! store inspect --type image "$rust_image" >/dev/null 2>&1; then
	echo "bases: Rust of this machine on that Debian" >&2
	container=$(store from "$node_image")
	# What this machine trusts: its registries may be behind an authority of their own.
	store copy --quiet "$container" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt >/dev/null
	store run "$container" -- sh -c 'rm /usr/local/bin/node && apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev' >/dev/null 2>&1
	mounted=$(store mount "$container")
	mkdir -p "$mounted/usr/local/rust" "$mounted/usr/local/cargo"
	cp -a "$(rustc --print sysroot)"/bin "$(rustc --print sysroot)"/lib "$mounted/usr/local/rust/"
	store umount "$container" >/dev/null
	store config --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env CARGO_HOME=/usr/local/cargo "$container"
	store commit --quiet --rm "$container" "$rust_image" >/dev/null
fi
