#!/bin/sh
# The core's unit tests under sanitizers, the C in them (SQLite, libusb, ring) included; and the addon in Node under valgrind.
#
#   scripts/sanitize.sh [address|thread|memcheck]... [-- TEST…]
#
# `address` is AddressSanitizer with LeakSanitizer, `thread` ThreadSanitizer: both need rustup's nightly toolchain, `thread` its component
# rust-src besides, because the standard library has to be built with it. `memcheck` needs valgrind and the built addon (`npm run build`).
# The addon's own allocator is not valgrind's (docs/adr/0014): of Rust's heap `memcheck` sees nothing, and `address` all of the core's.
# What is found ends the script with another status than 0.
set -eu

cd "$(dirname "$0")/.."
target=$(rustc +nightly --version --verbose | sed -n 's/^host: //p')
underscored=$(printf %s "$target" | tr - _)
# Not the folder of other builds: everything is built anew, and differently.
folder=${CARGO_TARGET_DIR:-$PWD/target}

sanitized() {
  name=$1
  shift
  build_std=
  if [ "$name" = thread ]; then build_std=-Zbuild-std; fi
  # Only with a --target are build scripts and macros left as they are.
  env CARGO_TARGET_DIR="$folder/sanitize-$name" \
    RUSTFLAGS="-Zsanitizer=$name -Cforce-frame-pointers=yes" \
    "CFLAGS_$underscored=-fsanitize=$name -fno-omit-frame-pointer -g1" \
    ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 \
    TSAN_OPTIONS="halt_on_error=0 second_deadlock_stack=1 suppressions=$PWD/scripts/sanitize/thread.supp" \
    cargo +nightly test ${build_std:+"$build_std"} -p usb-daemon-core --lib --target "$target" -- "$@"
}

memcheck() {
  log=$(mktemp)
  # V8 compiles nothing then, so that what valgrind has to follow stays as it is. Node's own doings are not ours.
  valgrind --leak-check=full --show-leak-kinds=definite --num-callers=30 --log-file="$log" \
    --suppressions=scripts/sanitize/memcheck.supp \
    node --jitless --single-threaded bench/programs/connected.cjs simulated '{"sizes":[10],"rounds":1,"pairs":100}'
  # Blocks are apart by a line that is only the process's number.
  found=$(sed 's/^==[0-9]*== \{0,1\}//' "$log" | awk -v RS= '/usb-daemon.*\.node/' ORS='\n\n')
  rm -f "$log"
  if [ -n "$found" ]; then
    printf '%s\n' "$found"
    return 1
  fi
  echo 'memcheck: nothing in which the addon has a part'
}

kinds=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    address | thread | memcheck) kinds="$kinds $1" ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
  shift
done
if [ $# -gt 0 ]; then shift; fi

for kind in ${kinds:-address thread memcheck}; do
  echo "== $kind"
  case $kind in
    memcheck) memcheck ;;
    *) sanitized "$kind" "$@" ;;
  esac
done
