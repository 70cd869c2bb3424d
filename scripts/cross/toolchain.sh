#!/bin/sh
# Puts what builds the addon for other targets into .cache/cross, where nothing is there yet:
#   zig/   zig (from PyPI), which links for an old glibc, for musl and for other processors, and cargo-zigbuild
#   rust/  Debian's rustc with the sources of its std, unpacked and not installed: it builds std for any target, which the stock
#          rustc without rustup's downloads cannot. rust/rustc is the one to call.
# "toolchain.sh windows" adds mingw's gcc.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

wanted=scripts/cross/toolchain.txt
release=1.96
cross=.cache/cross
mkdir -p "$cross"
cross=$(cd "$cross" && pwd)
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# Two runs at once: whichever renames first wins, the other's copy is dropped.
settle() {
	mv -T "$1" "$2" 2>/dev/null || [ -e "$2/installed.txt" ]
	rm -rf "$work"
	work=
}

if ! cmp -s "$wanted" "$cross/zig/installed.txt"; then
	command -v pip3 >/dev/null || need "cross builds" python3-pip
	work=$(mktemp -d "$cross/unpack.XXXXXX")
	# pip checks what it fetches against the digests of the list.
	pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
		--platform manylinux_2_12_x86_64 --platform manylinux1_x86_64 --require-hashes --dest "$work" -r "$wanted" >&2
	for wheel in "$work"/*.whl; do
		python3 -m zipfile -e "$wheel" "$work/tree"
	done
	mkdir "$work/result"
	mv "$work/tree/ziglang" "$work/result/lib"
	find "$work/tree" -path '*.data/scripts/*' -type f -exec mv {} "$work/result/" \;
	cat >"$work/result/zig" <<-'WRAPPER'
		#!/bin/sh
		exec "$(dirname "$0")/lib/zig" "$@"
	WRAPPER
	chmod 755 "$work/result/zig" "$work/result/lib/zig" "$work/result/cargo-zigbuild"
	"$work/result/zig" version >/dev/null
	"$work/result/cargo-zigbuild" --version >/dev/null
	cp "$wanted" "$work/result/installed.txt"
	cmp -s "$wanted" "$cross/zig/installed.txt" || rm -rf "$cross/zig"
	settle "$work/result" "$cross/zig"
	echo "toolchain: zig and cargo-zigbuild in .cache/cross/zig" >&2
fi

if [ "$(cat "$cross/rust/installed.txt" 2>/dev/null)" != "$release" ]; then
	need "cross builds" dpkg libedit2 libffi8 libxml2 libz3-4 libzstd1
	work=$(mktemp -d "$cross/unpack.XXXXXX")
	# apt drops its rights for downloads, and then cannot write here.
	chmod 755 "$work"
	fetch() {
		(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download rustc-web "libstd-rust-web-$release" libstd-rust-web-dev rust-web-src libllvm22 >/dev/null)
	}
	fetch 2>/dev/null || {
		# An old list names versions that are gone.
		[ "$(id -u)" != 0 ] || apt-get update -qq >&2
		fetch
	}
	for package in "$work"/*.deb; do
		dpkg -x "$package" "$work/tree"
	done
	mv "$work/tree/usr" "$work/result"
	rm -rf "$work/result/share" "$work"/result/src/rustc-*/compiler
	ln -sfn "../../../src/$(ls "$work/result/src")" "$work/result/lib/rustlib/src/rust"
	cat >"$work/result/rustc" <<-'WRAPPER'
		#!/bin/sh
		here=$(dirname "$(readlink -f "$0")")
		LD_LIBRARY_PATH=$here/lib/x86_64-linux-gnu exec "$here/bin/rustc" --sysroot "$here" "$@"
	WRAPPER
	chmod 755 "$work/result/rustc"
	"$work/result/rustc" --version >/dev/null
	[ -e "$work/result/lib/rustlib/src/rust/library/std/Cargo.toml" ] || { echo "toolchain: rust-web-src holds no std" >&2; exit 1; }
	echo "$release" >"$work/result/installed.txt"
	[ "$(cat "$cross/rust/installed.txt" 2>/dev/null)" = "$release" ] || rm -rf "$cross/rust"
	settle "$work/result" "$cross/rust"
	echo "toolchain: rustc $release and the sources of its std in .cache/cross/rust" >&2
fi

case ${1-} in
windows) need "building for Windows" gcc-mingw-w64-x86-64-posix binutils-mingw-w64-x86-64 ;;
esac
