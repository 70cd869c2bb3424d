# shellcheck shell=sh
# buildah with a store of this checkout's own, without an engine and without namespaces: `store <command>...`. Sourced, by root.

# shellcheck disable=SC2154 # of whoever sources this; .cache may be a link
place=$(readlink -f "$checkout/.cache")/container

store() {
	BUILDAH_ISOLATION=chroot buildah --root "$place/store" --runroot "$place/run" "$@"
}
