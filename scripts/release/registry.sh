# shellcheck shell=sh
# Names of what is pushed to the container registry of the repository that a workflow runs in. Sourced; wants GITHUB_REPOSITORY and
# GITHUB_ACTOR, as workflows have them, and REGISTRY_TOKEN.

registry=ghcr.io
repository=$(printf '%s' "${GITHUB_REPOSITORY:?}" | tr '[:upper:]' '[:lower:]')
version=$(node "$(dirname "$0")/version.mjs")

# What an image is called. One variant needs no suffix: what most will want.
image_of() {
	case $1 in
	bookworm) printf '%s/%s:%s' "$registry" "$repository" "$version" ;;
	alpine) printf '%s/%s:%s-alpine' "$registry" "$repository" "$version" ;;
	*) echo "registry: no variant $1: bookworm or alpine" >&2; return 1 ;;
	esac
}

# A password on a command line could be read by every process.
log_in() {
	printf '%s' "${REGISTRY_TOKEN:?}" | "$@" --username "${GITHUB_ACTOR:?}" --password-stdin "$registry" >&2
}
