#!/bin/sh
# Makes the Debian package of this checkout, with the addon that `npm run build` has left for this machine:
#   dist/autoweave-usb-daemon_<version>_<architecture>.deb
# An addon from elsewhere (a cross build) can be named, with Debian's name of its architecture.
#
#   scripts/deb.sh [-o FOLDER] [ADDON ARCHITECTURE]
#
# DEB_LEVEL (0 to 9, default 6) is how hard it compresses.
set -eu
umask 022

out=dist
if [ "${1-}" = -o ]; then
	out=$2
	shift 2
fi

checkout=$(cd "$(dirname "$0")/.." && pwd)
cd "$checkout"

architecture=${2:-$(dpkg --print-architecture)}
case $architecture in
amd64) platform=linux-x64-gnu ;;
arm64) platform=linux-arm64-gnu ;;
armhf) platform=linux-arm-gnueabihf ;;
*) echo "deb: no addon is built for $architecture" >&2; exit 2 ;;
esac
addon=${1:-js/usb-daemon.$platform.node}
[ -e "$addon" ] || { echo "deb: $addon is not there: npm run build" >&2; exit 1; }

name=autoweave-usb-daemon
# A prerelease comes before its release, which to Debian a tilde says.
version=$(sed -n 's/^  "version": "\(.*\)",/\1/p' package.json | sed 's/-/~/')
# The same sources give the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
lib=$root/usr/lib/$name
doc=$root/usr/share/doc/$name
systemd=$root/usr/lib/systemd/system
udev=$root/usr/lib/udev

# What Node loads, and nothing else of the npm package.
install -d "$lib/bin" "$root/usr/bin"
cp index.js index.mjs usb.js usb.mjs package.json "$lib/"
cp -R js "$lib/"
find "$lib/js" ! -type d \( -name '*.node*' -o -name '*.d.ts' \) -exec rm {} +
install -m 755 bin/usb-daemon.js "$lib/bin/"
# Debian's node, whichever other one is first in the caller's path.
sed -i '1s|.*|#!/usr/bin/node|' "$lib/bin/usb-daemon.js"
install -m 644 "$addon" "$lib/js/usb-daemon.$platform.node"
[ "$architecture" != "$(dpkg --print-architecture)" ] || strip --strip-unneeded "$lib/js/usb-daemon.$platform.node"
find "$lib" -type f ! -path '*/bin/*' -exec chmod 644 {} +
ln -s ../lib/$name/bin/usb-daemon.js "$root/usr/bin/usb-daemon"

install -d "$systemd" "$udev/rules.d" "$root/usr/lib/sysusers.d" "$root/usr/lib/tmpfiles.d" "$root/etc/default" "$root/etc/autoweave"
install -m 644 deploy/systemd/*.service deploy/systemd/*.socket deploy/systemd/*.path "$systemd/"
install -m 644 deploy/systemd/autoweave-usb.sysusers "$root/usr/lib/sysusers.d/autoweave-usb.conf"
install -m 644 deploy/systemd/autoweave-usb.tmpfiles "$root/usr/lib/tmpfiles.d/autoweave-usb.conf"
install -m 644 deploy/systemd/autoweave-usb-daemon.default "$root/etc/default/$name"
install -m 755 deploy/udev/autoweave-udev-notify "$udev/"
sed 's|/usr/local/bin/autoweave-udev-notify|/usr/lib/udev/autoweave-udev-notify|' deploy/udev/99-autoweave-usb.rules >"$udev/rules.d/99-autoweave-usb.rules"

install -d "$doc"
install -m 644 scripts/deb/copyright docs/SERVICE.md docs/DRIVERS.md docs/CONFIGURATION.md docs/MONITORING.md "$doc/"
# Into a file first: where it cannot be made, that must not go unnoticed in a pipe.
node scripts/notices.mjs $platform >"$work/notices"
gzip -9n <"$work/notices" >"$doc/THIRD-PARTY-LICENSES.txt.gz"
gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
{
	printf '%s (%s-1) unstable; urgency=medium\n\n' $name "$version"
	printf '  * Version %s; changelog.gz tells what is in it.\n\n' "$version"
	printf ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' scripts/deb/control)" "$(date -Rud "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.Debian.gz"

install -d "$root/DEBIAN"
echo "/etc/default/$name" >"$root/DEBIAN/conffiles"
install -m 755 scripts/deb/postinst scripts/deb/prerm scripts/deb/postrm "$root/DEBIAN/"
(cd "$root" && find etc usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
# The newest version of a symbol that the addon asks glibc for.
libc=$(grep -ao 'GLIBC_2\.[0-9]*' "$lib/js/usb-daemon.$platform.node" | sed 's/GLIBC_//' | sort -Vu | tail -n 1)
size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
sed "s/@version@/$version-1/; s/@architecture@/$architecture/; s/@size@/$size/; s/@libc@/$libc/" scripts/deb/control >"$root/DEBIAN/control"

mkdir -p "$out"
# Without the tilde: GitHub changes it in the name of a release's file.
deb=$out/${name}_$(printf %s "$version" | tr '~' -)-1_$architecture.deb
# Under its name once it is whole.
dpkg-deb --root-owner-group -Zxz -z"${DEB_LEVEL:-6}" --build "$root" "$work/package.deb" >/dev/null
mv "$work/package.deb" "$deb"
echo "$deb"
