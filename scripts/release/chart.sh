#!/bin/sh
# Packages the Helm chart and pushes it beside the images.
set -eu

# shellcheck source=scripts/release/registry.sh
. "$(dirname "$0")/registry.sh"
cd "$(dirname "$0")/../.."
helm=$(command -v helm || echo .cache/tools/bin/helm)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$helm" package deploy/helm --destination "$work" >&2
log_in "$helm" registry login
"$helm" push "$work"/*.tgz "oci://$registry/${repository%/*}/charts"
