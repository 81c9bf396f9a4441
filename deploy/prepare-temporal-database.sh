#!/bin/sh
# Makes Temporal's two databases and brings their schemas up to date; safe to run before every start.
set -eu
SQL_PASSWORD="$(cat /run/secrets/temporal_database_password)"
export SQL_PASSWORD
for name in temporal temporal_visibility; do
  case "$name" in temporal) folder=temporal ;; *) folder=visibility ;; esac
  tool() { temporal-sql-tool --plugin postgres12 --ep temporal-database -p 5432 -u temporal --db "$name" "$@"; }
  # `create` fails where the database exists; what really keeps it from being made stops the next line.
  tool create || true
  tool setup-schema -v 0.0 || true
  tool update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done
