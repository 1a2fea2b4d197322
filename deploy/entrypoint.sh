#!/bin/sh
# Starts twinstream in a container. A secret comes as a file, so that it stands neither in the image nor in the
# environment that `docker inspect` shows: DATABASE_PASSWORD_FILE becomes libpq's PGPASSWORD for this process alone.
set -eu

if [ -n "${DATABASE_PASSWORD_FILE:-}" ]; then
    [ -r "$DATABASE_PASSWORD_FILE" ] || {
        echo "expected a readable file, received $DATABASE_PASSWORD_FILE, in DATABASE_PASSWORD_FILE; run deploy/make-secrets" >&2
        exit 2
    }
    PGPASSWORD=$(cat "$DATABASE_PASSWORD_FILE")
    export PGPASSWORD
fi
exec "$@"
