#!/bin/sh
# Runs node.exe beside it, in Wine. Node cannot write into a pipe there, so what it says is told when it has ended.
here=$(CDPATH="" cd -- "${0%/*}" && pwd)
export WINEPREFIX="$here/prefix" WINEDEBUG=-all WINEDLLOVERRIDES="cfgmgr32=n,b" NODE_SKIP_PLATFORM_CHECK=1
said=$(/usr/bin/mktemp -d)
status=0
/usr/lib/wine/wine64 "$here/node.exe" "$@" </dev/null >"$said/stdout" 2>"$said/stderr" || status=$?
/usr/bin/cat "$said/stdout"
/usr/bin/cat "$said/stderr" >&2
/usr/bin/rm -r "$said"
exit "$status"
