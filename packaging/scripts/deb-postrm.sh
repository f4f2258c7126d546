#!/bin/sh
# saltern-@ROLE@: stock's files come back under their names. Configuration, keys, jobs and queues stay, also on a
# purge: they are the tier's, not the package's.
set -e

paths='
@PATHS@
'

case "$1" in
remove | abort-install | disappear)
	printf '%s\n' "$paths" | while read -r path aside; do
		[ -n "$path" ] || continue
		dpkg-divert --package saltern-@ROLE@ --remove --rename --divert "$aside" "$path" >/dev/null
	done
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
	fi
	if [ "$1" = remove ] && [ -e /usr/bin/salt-@ROLE@ ]; then
		echo "saltern-@ROLE@: stock's salt-@ROLE@ is back. It was not started: systemctl start salt-@ROLE@"
	fi
	;;
purge)
	# Enabled without stock: nothing is left to enable.
	for wants in /etc/systemd/system/*.wants/salt-@ROLE@.service; do
		if [ -L "$wants" ] && [ ! -e "$wants" ]; then
			rm -f "$wants"
		fi
	done
	if [ ! -e /usr/bin/saltern ]; then
		rm -f /etc/logrotate.d/saltern
	fi
	echo "saltern-@ROLE@: /etc/salt and /var/cache/salt are kept: they hold the keys, the jobs and what waits to be sent."
	;;
esac
