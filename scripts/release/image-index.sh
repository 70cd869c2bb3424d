#!/bin/sh
# Puts the images of one variant under one name, and says that name and its digest to the steps that follow.
#
#   scripts/release/image-index.sh bookworm|alpine
set -eu

[ $# = 1 ] || { echo "usage: image-index.sh VARIANT" >&2; exit 2; }
# shellcheck source=scripts/release/registry.sh
. "$(dirname "$0")/registry.sh"
name=$(image_of "$1")

log_in docker login
docker buildx imagetools create --tag "$name" "$name-amd64" "$name-arm64"
digest=$(docker buildx imagetools inspect "$name" --format '{{.Manifest.Digest}}')
case $digest in sha256:*) ;; *) echo "image-index: $name has no digest: $digest" >&2; exit 1 ;; esac
echo "image-index: $name@$digest" >&2
{
	echo "name=${name%:*}"
	echo "digest=$digest"
} >>"${GITHUB_OUTPUT:-/dev/stdout}"
