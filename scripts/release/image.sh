#!/bin/sh
# Builds the image of one variant for one processor, this machine's, and pushes it with its provenance and a bill of materials.
# scripts/release/image-index.sh puts those of all processors under one name.
#
#   scripts/release/image.sh bookworm|alpine linux/amd64|linux/arm64
set -eu

[ $# = 2 ] || { echo "usage: image.sh VARIANT PLATFORM" >&2; exit 2; }
variant=$1 platform=$2
# shellcheck source=scripts/release/registry.sh
. "$(dirname "$0")/registry.sh"
cd "$(dirname "$0")/../.."

file=deploy/container/Dockerfile
[ "$variant" = bookworm ] || file=$file.$variant
name=$(image_of "$variant")
name=$name-${platform#linux/}

log_in docker login
# The engine's own builder can attest to nothing.
docker buildx create --use --driver docker-container >/dev/null
docker buildx build --file "$file" --platform "$platform" --pull --provenance=mode=max --sbom=true \
	--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD)" --tag "$name" --push .
