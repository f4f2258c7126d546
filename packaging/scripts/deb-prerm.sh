#!/bin/sh
# saltern-@ROLE@: stop our own daemon before its files go. A stock one is left alone, whoever runs it.
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	pid=$(systemctl show --property MainPID --value salt-@ROLE@.service 2>/dev/null || echo 0)
	case $(readlink "/proc/${pid:-0}/exe" 2>/dev/null) in
	/usr/bin/saltern*) systemctl stop salt-@ROLE@.service ;;
	esac
fi
