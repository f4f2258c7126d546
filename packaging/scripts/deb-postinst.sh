#!/bin/sh
# saltern-@ROLE@: tell systemd of the unit and the operator of the next step. No daemon is started, stopped or
# restarted: a stock one that runs goes on until the operator restarts the unit.
set -e

if [ "$1" = configure ]; then
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
	fi
	if ! grep -rqs '/var/log/salt/@ROLE@' /etc/logrotate.d; then
		install -m 0644 /usr/lib/saltern/logrotate /etc/logrotate.d/saltern
	fi
	if [ -z "$2" ]; then
		echo "saltern-@ROLE@: salt-@ROLE@.service is saltern's from its next start on. Nothing was started or restarted."
		echo "saltern-@ROLE@:   look first:  saltern check @ROLE@"
		echo "saltern-@ROLE@:   hand over:   systemctl restart salt-@ROLE@    (new host: systemctl enable --now salt-@ROLE@)"
	else
		echo "saltern-@ROLE@: the running salt-@ROLE@ goes on; the new one starts with: systemctl restart salt-@ROLE@"
	fi
fi
