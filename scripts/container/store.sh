# shellcheck shell=sh
# buildah with a store of this checkout's own, without any engine or namespaces: `store <command>...`. Sourced.

place=$checkout/.cache/container

store() {
	BUILDAH_ISOLATION=chroot buildah --root "$place/store" --runroot "$place/run" "$@"
}
