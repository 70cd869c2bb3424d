#!/bin/sh
# Carries out the steps of deploy/container/Dockerfile on the stand-ins of scripts/container/bases.sh, with buildah and without an
# engine: build.sh [image name]. Root only. Prints the image's ID.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/container/store.sh
. scripts/container/store.sh

sh scripts/container/bases.sh
node=$(store inspect --type image --format '{{.FromImageDigest}}' localhost/stand-in/node:20-bookworm-slim)
id=$(mktemp "$place/id.XXXXXX")
trap 'rm -f "$id"' EXIT
# The base is named by its digest, as whoever pins it does.
store build --quiet --layers=false --iidfile "$id" \
	--file deploy/container/Dockerfile --ignorefile deploy/container/Dockerfile.dockerignore \
	--build-arg NODE_IMAGE="localhost/stand-in/node@$node" --build-arg RUST_IMAGE=localhost/stand-in/rust:slim-bookworm \
	--format docker --tag "${1:-localhost/autoweave-usb-daemon}" . >&2
cat "$id"
