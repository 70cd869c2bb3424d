#!/bin/sh
# Lets this machine's kernel run programs of other processors, in containers too: QEMU's user mode, registered by Debian's package.
set -eu

cd "$(dirname "$0")/../.."
# shellcheck source=scripts/setup/packages.sh
. scripts/setup/packages.sh
need "containers of other processors" qemu-user-static binfmt-support
