#!/bin/sh
# Converts a host and back; sourced by convert-deb.sh and convert-rpm.sh. Stock master and syndic with five stock minions
# under a stock master of masters → saltern's packages are installed → the same minions answer the same master of masters →
# the packages are removed → stock again, and no key was accepted a second time. The master runs as the account salt, as
# Salt's own packages set it up.
useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin salt
mkdir -p /etc/salt/minion.d /etc/salt/pki/master /var/cache/salt/master /var/log/salt /run/salt/master /srv/mom/conf
chown -R salt: /etc/salt/minion.d /etc/salt/pki/master /var/cache/salt/master /var/log/salt /run/salt/master
stock_package 1.0 salt-master salt-master salt-key salt
stock_package 1.0 salt-syndic salt-syndic
stock_package 1.0 salt-minion salt-minion
for command in salt-master salt salt-key; do wrapper 1.0 "$command" "/srv/mom/$command"; done

# The master of masters has an address of its own: a stock syndic takes its publish port for the local master's.
printf 'user: salt\ninterface: 127.0.0.1\nworker_threads: 3\ngather_job_timeout: 3\nsyndic_master: 127.0.0.2\nsyndic_wait: 3\n' >/etc/salt/master
printf 'id: mid\nmaster: 127.0.0.1\nacceptance_wait_time: 1\n' >/etc/salt/minion
printf 'root_dir: /srv/mom\nuser: root\ninterface: 127.0.0.2\norder_masters: True\nworker_threads: 3\nsyndic_wait: 3\ngather_job_timeout: 3\n' >/srv/mom/conf/master
chmod 640 /etc/salt/master && chown salt: /etc/salt/master
minions="m1 m2 m3 m4 m5"
for id in $minions; do
	mkdir -p "/srv/$id/conf"
	printf 'root_dir: /srv/%s\nuser: root\nid: %s\nmaster: 127.0.0.1\nacceptance_wait_time: 1\nrandom_reauth_delay: 1\nmaster_alive_interval: 0\n' "$id" "$id" >"/srv/$id/conf/minion"
done
printf '[Service]\nType=notify\nNotifyAccess=all\nTimeoutStartSec=300\nExecStart=/srv/mom/salt-master -c /srv/mom/conf -l info\n' >/etc/systemd/system/mom.service
printf '[Service]\nExecStart=/usr/bin/salt-minion -c /srv/%%i/conf -l info\nRestart=always\n' >/etc/systemd/system/minion@.service
systemctl daemon-reload
systemctl enable salt-master salt-syndic >>/tmp/log/packages 2>&1
systemctl start mom salt-master || fail "stock does not start"
for id in $minions; do systemctl start "minion@$id"; done
pending() { [ "$(find /etc/salt/pki/master/minions_pre -type f 2>/dev/null | wc -l)" = 5 ]; }
until_true 240 pending || fail "the minions did not ask"
salt-key -y -A >/dev/null
systemctl start salt-syndic || fail "stock's syndic does not start"
mid_pending() { [ -f /srv/mom/etc/salt/pki/master/minions_pre/mid ]; }
until_true 120 mid_pending || fail "the syndic did not ask"
/srv/mom/salt-key -c /srv/mom/conf -y -a mid >/dev/null
# The master of masters asks; all five must answer.
answers() {
	/srv/mom/salt -c /srv/mom/conf -t 10 --out=txt '*' test.ping 2>/dev/null >/tmp/answers || true
	for id in $minions; do grep -q "^$id: True" /tmp/answers || return 1; done
}
until_true 240 answers || fail "stock: $(cat /tmp/answers)"
say "stock serves: 5 of 5 minions answer the master of masters"

# What must not change: every key file of the tier by content, owner and mode. Pins of masters of masters may be added.
keys() {
	find /etc/salt/pki /srv/mom/etc/salt/pki /srv/m?/etc/salt/pki -type f ! -name 'syndic_master_*' ! -name .key_cache | sort |
		while read -r file; do echo "$(sha256sum "$file") $(stat -c '%U %a' "$file")"; done
}
keys >/tmp/keys.before
same_keys() {
	keys >/tmp/keys.now
	diff /tmp/keys.before /tmp/keys.now || fail "keys changed: $1"
	[ -z "$(find /etc/salt/pki/master/minions_pre /srv/mom/etc/salt/pki/master/minions_pre -type f)" ] || fail "a key is pending: $1"
}
is_stock() {
	for c in salt-master salt-syndic salt-key salt; do grep -q '^# stock' "/usr/bin/$c" || return 1; done
	systemctl cat salt-master.service salt-syndic.service 2>/dev/null | grep -c '^Description=stock' | grep -q 2
}
# The units in use are saltern's, enabled, and systemd has read them.
saltern_units() {
	for unit in salt-master salt-syndic; do
		systemctl cat "$unit.service" 2>/dev/null | grep -q '^ExecStart=/usr/lib/saltern/bin/' || return 1
		[ "$(systemctl show --property NeedDaemonReload --value "$unit.service")" = no ] || return 1
		systemctl is-enabled --quiet "$unit.service" || return 1
	done
}

before=$(main_pid salt-master):$(main_pid salt-syndic)
install_saltern /shared/dist || fail "the packages do not install"
is_saltern && saltern_units || fail "after the installation the commands or units are not saltern's"
[ "$before" = "$(main_pid salt-master):$(main_pid salt-syndic)" ] || fail "the installation restarted stock"
[ -z "$(find /proc -maxdepth 2 -name exe -lname '*/saltern' 2>/dev/null)" ] || fail "the installation started something"
until_true 60 answers || fail "stock does not answer while the packages are installed"
say "packages installed: stock still serves, nothing was started"
saltern check --quick >/tmp/log/check 2>&1 || fail "saltern check: $(cat /tmp/log/check)"
grep -q 'stock salt-master runs' /tmp/log/check || fail "saltern check does not see stock"

began=$(date +%s)
systemctl restart salt-master salt-syndic || fail "saltern does not start"
until_true 240 answers || fail "saltern: $(cat /tmp/answers)"
serves() { for unit in salt-master salt-syndic; do [ "$(program "$unit")" = /usr/bin/saltern ] || return 1; done; }
serves || fail "it is not saltern that serves"
[ "$(stat -c %U "/proc/$(main_pid salt-master)")" = salt ] || fail "the master does not run as salt"
same_keys "after the handover to saltern"
say "saltern serves: 5 of 5 answer the same master of masters, no key accepted anew, $(($(date +%s) - began)) s after its start"

stock_package 1.1 salt-master salt-master salt-key salt
is_saltern && saltern_units || fail "an update of stock took the names"
until_true 120 answers || fail "after an update of stock: $(cat /tmp/answers)"
serves || fail "an update of stock brought stock up"
stock_updated || fail "an update of stock went nowhere"
before=$(main_pid salt-master):$(main_pid salt-syndic)
next=/shared/next
[ -n "$(ls $next)" ] || next=/shared/dist
update_saltern $next || fail "the packages do not update"
is_saltern && saltern_units || fail "an update of the packages took the names away"
[ "$before" = "$(main_pid salt-master):$(main_pid salt-syndic)" ] || fail "an update of the packages restarted a daemon"
systemctl restart salt-master salt-syndic || fail "saltern does not start after its update"
until_true 120 answers || fail "after an update: $(cat /tmp/answers)"
same_keys "after the updates"
say "updates of stock and of the packages: saltern goes on serving"

remove_saltern || fail "the packages do not go"
is_active salt-master && fail "the removal left saltern running"
[ -z "$(find /proc -maxdepth 2 -name exe -lname '*/saltern*' 2>/dev/null)" ] || fail "the removal left a process"
systemctl is-enabled --quiet salt-master salt-syndic || fail "the removal disabled a unit"
is_stock || fail "after the removal the commands or units are not stock's"
nothing_left || fail "the removal left: $(cat /tmp/left)"
systemctl start salt-master salt-syndic || fail "stock does not start again"
until_true 240 answers || fail "stock again: $(cat /tmp/answers)"
same_keys "after the way back"
say "packages removed: stock serves again, 5 of 5, no key accepted anew"

purge_saltern
same_keys "after the purge"
[ -d /var/cache/salt/master/saltern ] || fail "the purge took the jobs"
say "purged: keys, jobs and queues are kept"

systemctl stop salt-master salt-syndic
remove_stock || fail "stock does not go"
install_saltern /shared/dist || fail "the packages do not install without stock"
for c in salt-master salt-key salt salt-syndic; do
	[ "$(readlink -f "/usr/bin/$c")" = /usr/bin/saltern ] || fail "without stock $c is missing"
done
systemctl enable --now salt-master >>/tmp/log/packages 2>&1 || fail "saltern does not start without stock"
same_keys "without stock"
remove_saltern || fail "the packages do not go without stock"
purge_saltern
is_active salt-master && fail "the removal left saltern running, without stock"
nothing_left || fail "left behind without stock: $(cat /tmp/left)"
left=$(find /usr/bin /usr/lib/systemd /usr/lib/saltern /etc/systemd /usr/share/man /usr/share/bash-completion /usr/share/fish /usr/share/zsh /usr/share/doc/saltern* /etc/logrotate.d -name 'salt*' ! -name 'salt-minion*' 2>/dev/null || true)
[ -z "$left" ] || fail "left behind: $left"
say "without stock: installed, started and purged, nothing left behind"
say "ok"
