#!/bin/sh
# Starts Redis in a container that can write to its data and to one folder in memory only. The password is read from a file, and
# neither `ps` nor that folder shows it.
set -eu

data=${DATA:-/data} settings=${SETTINGS:-/etc/redis/redis.conf} own=${OWN:-/run/redis}

# A crash may leave half a transaction at the end of the append-only file, which Redis would execute together with the next
# one at the start after this one (docs/adr/0007-the-fence.md).
manifest=$data/appendonlydir/appendonly.aof.manifest
if [ -e "$manifest" ]; then
	echo y | redis-check-aof --fix "$manifest"
fi

umask 077
cp "$settings" "$own/redis.conf"
if [ -n "${REDIS_PASSWORD_FILE-}" ]; then
	password=$(cat "$REDIS_PASSWORD_FILE")
	[ -n "$password" ] || { echo "redis-start: $REDIS_PASSWORD_FILE holds no password" >&2; exit 1; }
	digest=$(printf %s "$password" | sha256sum)
	echo "user default on #${digest%% *} ~* &* +@all" >>"$own/redis.conf"
fi
exec redis-server "$own/redis.conf"
