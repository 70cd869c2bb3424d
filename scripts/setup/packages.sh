# shellcheck shell=sh
# Installs Debian packages that are not there yet. Sourced: need <what for> <package>...

need() {
	purpose=$1
	shift
	missing=
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" = 0 ]; then
		as_root=
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		as_root=sudo
	else
		echo "setup: $purpose needs packages that are not installed, and this user may not install them. Run:" >&2
		echo "  sudo apt-get install --no-install-recommends$missing" >&2
		return 1
	fi
	echo "setup: installing$missing ($purpose)" >&2
	export DEBIAN_FRONTEND=noninteractive
	# An old list names versions that are gone; a machine that was never updated has no list at all.
	# shellcheck disable=SC2086 # the words are the packages
	$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
		$as_root apt-get update -qq >&2
		$as_root apt-get install -y -qq --no-install-recommends $missing >&2
	}
}
