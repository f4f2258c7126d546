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
for name in @COMMANDS@; do
	drop "/usr/bin/$name"
	drop "/usr/share/man/man1/$name.1.gz"
	drop "/usr/share/bash-completion/completions/$name"
	drop "/usr/share/fish/vendor_completions.d/$name.fish"
done
[ -d /run/systemd/system ] && systemctl daemon-reload
exit 0
