#!/bin/sh
# Makes the GitHub release of a tag, with the changelog's words and every file of the given folders. One that is there already gets
# the files that it lacks: a run that broke off can be repeated. Needs gh with GH_TOKEN, as workflows have it.
set -eu

[ $# -ge 2 ] || { echo "usage: github.sh TAG FOLDER..." >&2; exit 2; }
tag=$1
shift
scripts=$(cd "$(dirname "$0")" && pwd)
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
node "$scripts/notes.mjs" "$tag" >"$notes"

for folder; do
	for file in "$folder"/*; do
		[ -f "$file" ] || { echo "github: $file is no file" >&2; exit 1; }
		set -- "$@" "$file"
	done
	shift
done

kind=
case $tag in *-*) kind=--prerelease ;; esac
if gh release view "$tag" >/dev/null 2>&1; then
	gh release upload "$tag" --clobber "$@"
else
	gh release create "$tag" --verify-tag --title "$tag" --notes-file "$notes" $kind "$@"
fi
