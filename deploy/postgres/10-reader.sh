#!/bin/sh
# Run once by the database's image, when its volume is new: the role with which Grafana reads, and reads only.
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$(cat /run/secrets/reader_password)" <<'SQL'
create role reader login password :'password';
grant pg_read_all_data to reader;
alter role reader set default_transaction_read_only = on;
alter role reader set statement_timeout = '10s';
SQL
