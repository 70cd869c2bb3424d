#!/bin/sh
# Puts Debian's current amd64 kernel, unpacked and not installed, where the QEMU bed looks for it:
#   .cache/qemu/kernel/{vmlinux,modules/,release,made-by}
# Does nothing when it is there already, made by this very script; --force fetches the newest one.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=$checkout/.cache/qemu
kernel=$cache/kernel
script=$checkout/scripts/setup/qemu-kernel.sh

[ "${1-}" = --force ] || ! cmp -s "$script" "$kernel/made-by" || exit 0

missing=
for tool in apt-get apt-cache dpkg xz grep tail cmp; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || { echo "qemu-kernel: missing:$missing (Debian packages: apt dpkg xz-utils grep coreutils diffutils)" >&2; exit 1; }

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
for unwanted in drivers/gpu drivers/net/ethernet drivers/net/wireless drivers/infiniband; do
	rm -rf "${modules:?}/$unwanted"
done
# Of sound, what USB's needs; that hands its entities to media's controller.
only() {
	folder=$modules/$1
	shift
	for found in "$folder"/*; do
		case " $* " in *" ${found##*/} "*) ;; *) rm -rf "$found" ;; esac
	done
}
only sound soundcore.ko core usb
only drivers/media mc

mkdir result
mv vmlinux result/vmlinux
mv "$modules" result/modules
printf '%s\n' "$release" >result/release
cp "$script" result/made-by

# Two runs at once: whichever renames first wins, the other's copy is dropped. Whoever has files of the former one open keeps them.
[ ! -e "$kernel" ] || mv -T "$kernel" former 2>/dev/null || true
mv -T result "$kernel" 2>/dev/null || cmp -s "$script" "$kernel/made-by"
echo "qemu-kernel: Linux $release in $kernel" >&2
