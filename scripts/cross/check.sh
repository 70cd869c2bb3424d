#!/bin/sh
# Type-checks every crate for systems that this machine cannot build for: whatever `cfg` hides here is compiled there. Warnings are
# errors. "check.sh TARGET…" checks those targets only.
set -eu

checkout=$(cd "$(dirname "$0")/../.." && pwd)
cd "$checkout"
sh scripts/cross/toolchain.sh

cross=$(readlink -f .cache/cross)
target_dir=${CHECK_TARGET_DIR:-$checkout/target/check}
# Always the same place: build scripts are run again when it changes.
work=$target_dir/tools
mkdir -p "$work"
# Of build scripts nothing is wanted but that they succeed: their C is compiled where zig has the headers for it.
cat >"$work/zig-cc" <<WRAPPER
#!/bin/sh
# cc says the target in clang's words; zig has its own.
for word; do
	shift
	case \$word in --target=* | -arch | x86_64 | arm64 | -mmacosx-version-min=*) ;; *) set -- "\$@" "\$word" ;; esac
done
exec "$cross/zig/zig" cc -target "\$ZIG_TARGET" "\$@"
WRAPPER
printf '#!/bin/sh\nexec "%s/zig/zig" ar "$@"\n' "$cross" >"$work/zig-ar"
chmod 755 "$work/zig-cc" "$work/zig-ar"

# IOKit's headers, which libusb's own build would need, are on macOS alone: cargo is told what that build would have said.
cat >"$work/config.toml" <<'CONFIG'
[target.x86_64-apple-darwin."usb-1.0"]
version_number = "1.0.27"
[target.aarch64-apple-darwin."usb-1.0"]
version_number = "1.0.27"
CONFIG

[ $# -gt 0 ] || set -- x86_64-pc-windows-gnu x86_64-apple-darwin aarch64-apple-darwin
for target; do
	case $target in
	x86_64-pc-windows-*) zig=x86_64-windows-gnu ;;
	x86_64-apple-darwin) zig=x86_64-macos ;;
	aarch64-apple-darwin) zig=aarch64-macos ;;
	*) echo "check: nothing is known of $target" >&2; exit 2 ;;
	esac
	echo "check: $target" >&2
	name=$(echo "$target" | tr - _)
	: >"$work/libnode.dll"
	env "CC_$name=$work/zig-cc" "AR_$name=$work/zig-ar" ZIG_TARGET=$zig LIBNODE_PATH="$work" \
		RUSTC="$cross/rust/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-D warnings" CARGO_TARGET_DIR="$target_dir" \
		cargo --config "$work/config.toml" check --quiet --workspace --exclude usb-testbed -Zbuild-std=std,panic_unwind --target "$target"
done
