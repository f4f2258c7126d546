#!/bin/sh
# saltern-@ROLE@ on hosts without diversions: nothing of stock Salt is moved or replaced. The unit is linked over
# stock's, in the directory that wins, and command names get a link only where nobody has them. No daemon is started,
# stopped or restarted.
unit=/etc/systemd/system/salt-@ROLE@.service
if [ ! -e "$unit" ] && [ ! -L "$unit" ]; then
	mkdir -p /etc/systemd/system
	ln -s /usr/lib/saltern/systemd/salt-@ROLE@.service "$unit"
fi
for name in @COMMANDS@; do
	for link in "/usr/bin/$name:/usr/lib/saltern/bin/$name" \
		"/usr/share/man/man1/$name.1.gz:/usr/lib/saltern/man/$name.1.gz" \
		"/usr/share/bash-completion/completions/$name:/usr/lib/saltern/completions/$name.bash" \
		"/usr/share/fish/vendor_completions.d/$name.fish:/usr/lib/saltern/completions/$name.fish"; do
		path=${link%%:*} target=${link#*:}
		if [ ! -e "$path" ] && [ ! -L "$path" ] && [ -d "${path%/*}" ] && [ -e "$target" ]; then
			ln -s "$target" "$path"
		fi
	done
done
if ! grep -rqs '/var/log/salt/@ROLE@' /etc/logrotate.d; then
	mkdir -p /etc/logrotate.d && install -m 0644 /usr/lib/saltern/logrotate /etc/logrotate.d/saltern
fi
[ -d /run/systemd/system ] && systemctl daemon-reload
if [ "$1" = 1 ]; then
	echo "saltern-@ROLE@: salt-@ROLE@.service is saltern's from its next start on. Nothing was started or restarted."
	echo "saltern-@ROLE@:   look first:  saltern check @ROLE@"
	echo "saltern-@ROLE@:   hand over:   systemctl restart salt-@ROLE@    (new host: systemctl enable --now salt-@ROLE@)"
fi
exit 0
