#!/bin/sh
# Puts OpenTelemetry's official protobufs for Python into .cache/python/otlp: with them the tests read what is exported.
# Does nothing when they are there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

wanted=scripts/setup/python.txt
place=.cache/python/otlp
! cmp -s "$wanted" "$place/installed.txt" || exit 0

command -v pip3 >/dev/null || need "the tests of telemetry" python3-pip
mkdir -p .cache/python
work=$(mktemp -d ".cache/python/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
# pip checks what it fetches against the digests of the list.
pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform any --require-hashes --dest "$work" -r "$wanted" >&2
mkdir "$work/result"
for wheel in "$work"/*.whl; do
	python3 -m zipfile -e "$wheel" "$work/result"
done
cp "$wanted" "$work/result/installed.txt"
PYTHONPATH=$work/result python3 -c 'import opentelemetry.proto.collector.trace.v1.trace_service_pb2' ||
	{ echo "python: the protobufs cannot be loaded" >&2; exit 1; }
# Two runs at once: whichever renames first wins, the other's copy is dropped.
cmp -s "$wanted" "$place/installed.txt" || rm -rf "$place"
mv -T "$work/result" "$place" 2>/dev/null || [ -e "$place/installed.txt" ]
echo "python: OpenTelemetry's protobufs in $place" >&2
