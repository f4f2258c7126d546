#!/bin/sh
# saltern-@ROLE@, last removal only: stop our own daemon and take our links away, so that stock's unit and commands
# count again. Configuration, keys, jobs and queues stay.
[ "$1" = 0 ] || exit 0
if [ -d /run/systemd/system ]; then
	pid=$(systemctl show --property MainPID --value salt-@ROLE@.service 2>/dev/null || echo 0)
	case $(readlink "/proc/${pid:-0}/exe" 2>/dev/null) in
	/usr/bin/saltern*) systemctl stop salt-@ROLE@.service ;;
	esac
fi
drop() {
	case $(readlink "$1" 2>/dev/null) in
	/usr/lib/saltern/*) rm -f "$1" ;;
	esac
}
drop /etc/systemd/system/salt-@ROLE@.service
# What was enabled stays enabled when stock is there, and leaves no dangling link when it is not.
stock=/usr/lib/systemd/system/salt-@ROLE@.service
for wants in /etc/systemd/system/*.wants/salt-@ROLE@.service; do
	[ -L "$wants" ] || continue
	if [ ! -e "$stock" ]; then
		rm -f "$wants"
	elif [ "$(readlink -f "$wants")" != "$stock" ]; then
		ln -sfn "$stock" "$wants"
	fi
done
for name in @COMMANDS@; do
	drop "/usr/bin/$name"
	drop "/usr/share/man/man1/$name.1.gz"
	drop "/usr/share/bash-completion/completions/$name"
	drop "/usr/share/fish/vendor_completions.d/$name.fish"
done
# The rotation goes with the last role, unless somebody has changed it.
if [ "$(ls /usr/lib/saltern/systemd | grep -c '^salt-')" -le 1 ] && cmp -s /usr/lib/saltern/logrotate /etc/logrotate.d/saltern; then
	rm -f /etc/logrotate.d/saltern
fi
[ -d /run/systemd/system ] && systemctl daemon-reload
exit 0
