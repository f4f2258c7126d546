#!/bin/sh
# saltern-@ROLE@: stock Salt's files of the same names step aside, and come back with the package's removal.
# Nothing is started, stopped or given to another owner here.
set -e

paths='
@PATHS@
'

case "$1" in
install | upgrade)
	printf '%s\n' "$paths" | while read -r path aside; do
		[ -n "$path" ] || continue
		dpkg-divert --package saltern-@ROLE@ --add --rename --divert "$aside" "$path" >/dev/null
	done
	;;
esac
