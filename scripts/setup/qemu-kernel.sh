#!/bin/sh
# Puts Debian's current amd64 kernel, unpacked and not installed, where the QEMU bed looks for it:
#   .cache/qemu/kernel/{vmlinux,modules/,release}
# Does nothing when it is there already; --force fetches the newest one.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=$checkout/.cache/qemu
kernel=$cache/kernel

[ "${1-}" = --force ] || [ ! -e "$kernel/release" ] || exit 0

missing=
for tool in apt-get apt-cache dpkg xz grep tail; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || { echo "qemu-kernel: missing:$missing (Debian packages: apt dpkg xz-utils grep coreutils)" >&2; exit 1; }

mkdir -p "$cache"
work=$(mktemp -d "$cache/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
# apt drops its rights for downloads, and then cannot write here.
chmod 755 "$work"

package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$package" ] || { echo "qemu-kernel: apt knows no linux-image-amd64; run apt-get update" >&2; exit 1; }
apt-get -o APT::Sandbox::User=root download "$package" >&2
dpkg -x ./*.deb tree

release=$(ls tree/boot)
release=$(printf '%s\n' "$release" | sed -n 's/^vmlinuz-//p')

# QEMU enters a plain vmlinux directly (PVH), which spares the decompression under emulation. The payload of a bzImage is an xz
# stream at an offset that only its header tells, so take each place that looks like a stream's start until one gives an ELF file.
image=tree/boot/vmlinuz-$release
found=
LC_ALL=C grep -aboP '\xFD7zXZ\x00' "$image" | cut -d: -f1 >offsets
while read -r offset; do
	tail -c "+$((offset + 1))" "$image" | xz -dcq --single-stream >vmlinux 2>/dev/null || true
	if [ "$(head -c 4 vmlinux | tail -c 3)" = ELF ]; then
		found=yes
		break
	fi
done <offsets
[ -n "$found" ] || { echo "qemu-kernel: no xz-compressed vmlinux in $package" >&2; exit 1; }

modules=tree/lib/modules/$release/kernel
[ -d "$modules" ] || modules=tree/usr/lib/modules/$release/kernel
find "$modules" -name '*.ko.xz' -exec xz -d {} +

# Nothing that the bed ever loads, and half of the size.
for unwanted in sound drivers/gpu drivers/media drivers/net/ethernet drivers/net/wireless drivers/infiniband; do
	rm -rf "${modules:?}/$unwanted"
done

mkdir result
mv vmlinux result/vmlinux
mv "$modules" result/modules
printf '%s\n' "$release" >result/release

# Two runs at once: whichever renames first wins, the other's copy is dropped.
[ "${1-}" != --force ] || rm -rf "$kernel"
mv -T result "$kernel" 2>/dev/null || [ -e "$kernel/release" ]
echo "qemu-kernel: Linux $release in $kernel" >&2
