#!/bin/sh
# Runs scripts/smoke.mjs in a container that has nothing but Node: without a network, as nobody, and with no right to write to the
# checkout. Docker or Podman; a processor that is not this machine's needs scripts/setup/emulation.sh first.
#
#   scripts/smoke-in.sh node:20-alpine [linux/arm64] [dist/npm]
set -eu

[ $# -ge 1 ] || { echo "usage: smoke-in.sh IMAGE [PLATFORM] [FOLDER]" >&2; exit 2; }
image=$1
platform=${2:-linux/amd64}
folder=${3:-dist/npm}
cd "$(dirname "$0")/.."
folder=$(cd "$folder" && pwd)
engine=$(command -v docker || command -v podman) || { echo "smoke-in: neither docker nor podman is there" >&2; exit 1; }

"$engine" run --rm --platform "$platform" --network none --user 65534:65534 --cap-drop ALL --security-opt no-new-privileges \
	--read-only --tmpfs /tmp:exec,mode=1777 --env HOME=/tmp --volume "$PWD/scripts/smoke.mjs:/smoke.mjs:ro" \
	--volume "$PWD/scripts/smoke-program.mjs:/smoke-program.mjs:ro" --volume "$folder:/packages:ro" "$image" node /smoke.mjs /packages
