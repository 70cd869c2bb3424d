#!/bin/sh
# Runs a program in an unpacked image as an engine would, without one: run.sh <root> <state> <environment file> <user> <program>...
# New namespaces, process 1, a root that is read-only, no capability, no way to new rights. As root.
set -eu

[ "${IN_NAMESPACES-}" ] || exec env IN_NAMESPACES=yes unshare --mount --pid --net --ipc --uts --fork --kill-child sh "$0" "$@"
root=$1 state=$2 environment=$3 user=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$state" "$root/var/lib/autoweave-usb-daemon"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o nosuid,mode=755 tmpfs "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/urandom" c 1 9
mount -o remount,bind,ro "$root"
ip link set lo up
set -- setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --inh-caps=-all --ambient-caps=-all --bounding-set=-all \
	--no-new-privs -- "$@"
while IFS= read -r variable; do
	set -- "$variable" "$@"
done <"$environment"
exec chroot "$root" /usr/bin/env -i "$@"
