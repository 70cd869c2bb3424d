#!/bin/sh
# Carries out the steps of deploy/container/Dockerfile with buildah, on the stand-ins of scripts/container/bases.sh: for machines
# without an engine. As root or with sudo. Prints the image's ID.
#   build.sh whole    both stages: Rust builds the addon from this checkout
#   build.sh last     the last stage alone, with this checkout's addon in place of the build stage
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/container/store.sh
. scripts/container/store.sh

stages=${1-}
[ "$stages" = whole ] || [ "$stages" = last ] || { echo "build: say whole or last" >&2; exit 2; }
[ "$(id -u)" = 0 ] || exec sudo -n env PATH="$PATH" sh "$0" "$@"

work=$(mktemp -d "/tmp/usb-daemon-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ "$stages" = whole ]; then
	sh scripts/container/bases.sh rust
	set -- --build-arg RUST_IMAGE=localhost/stand-in/rust:slim-bookworm
else
	sh scripts/container/bases.sh
	# Where a build context has a stage's name, COPY --from takes that, and the stage is passed over.
	mkdir "$work/app"
	cp -r LICENSE package.json bin js index.js index.mjs usb.js usb.mjs "$work/app"
	node scripts/notices.mjs >"$work/app/THIRD-PARTY-LICENSES.txt"
	find "$work/app" -name '*.d.ts' -delete
	set -- --build-context "build=$work"
fi
# The base is named by its digest, as whoever pins it does.
digest=$(store inspect --type image --format '{{.FromImageDigest}}' localhost/stand-in/node:20-bookworm-slim)
store build --layers=false --iidfile "$work/id" --format docker --tag "localhost/autoweave-usb-daemon:$stages" \
	--file deploy/container/Dockerfile --ignorefile deploy/container/Dockerfile.dockerignore \
	--build-arg NODE_IMAGE="localhost/stand-in/node@$digest" "$@" . >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
# What had the tag before; one that still runs stays.
store rmi --prune >/dev/null 2>&1 || :
cat "$work/id"
