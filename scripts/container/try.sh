#!/bin/sh
# Builds the image of one variant with Docker and tries it as somebody careful would run it: it starts without any right, gets
# healthy, and ends in good order. Nothing is pushed.
#   try.sh bookworm|alpine
set -eu

case ${1-} in
bookworm) file=deploy/container/Dockerfile ;;
alpine) file=deploy/container/Dockerfile.alpine ;;
*) echo "usage: try.sh bookworm|alpine" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.."

image=autoweave-usb-daemon:try-$1
docker buildx build --file "$file" --pull --load --tag "$image" .
container=$(docker run --detach --read-only --cap-drop ALL --security-opt no-new-privileges \
	--env USB_DAEMON_SIMULATE=yes --env USB_DAEMON_NO_REDIS=yes "$image")
trap 'docker rm --force --volumes "$container" >/dev/null' EXIT

tries=60
until docker exec "$container" usb-daemon health; do
	tries=$((tries - 1))
	[ $tries -gt 0 ] || { echo "try: it does not get healthy" >&2; docker logs "$container" >&2; exit 1; }
	sleep 1
done
docker stop "$container" >/dev/null
code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
[ "$code" = 0 ] || { echo "try: it ended with $code" >&2; docker logs "$container" >&2; exit 1; }
