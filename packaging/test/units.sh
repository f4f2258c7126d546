#!/bin/sh
# The units under a real systemd: every daemon reaches READY, is confined as its unit says, reloads, comes back when it is
# killed or stuck, stops in time, and works meanwhile; its log is rotated.
. /shared/lib.sh

install_deb /shared/dist || fail "the packages do not install"
for unit in salt-master salt-syndic salt-broker saltern-relay; do
	systemd-analyze --man=no verify "/usr/lib/systemd/system/$unit.service" >/tmp/log/verify 2>&1 || fail "$unit.service: $(cat /tmp/log/verify)"
	[ ! -s /tmp/log/verify ] || fail "$unit.service: $(cat /tmp/log/verify)"
done
say "systemd-analyze verify: nothing to say about 4 units"

# One host with everything: master of masters (addresses …2), master and syndic (…1), broker (…9) in front of the master, a
# relay between the two, simulated minions at the broker.
useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin salt
printf 'user: salt\ninterface: 127.0.0.1\nauto_accept: True\nsyndic_master: 127.0.0.2\nlog_level: info\nid: mid\n' >/etc/salt/master
printf 'id: mid\nuser: salt\n' >/etc/salt/minion
printf 'user: salt\nmaster: 127.0.0.1\ninterface: 127.0.0.9\nlog_level: info\n' >/etc/salt/broker
printf 'id: tap\nuser: salt\nredis.host: 127.0.0.1\ntaps:\n  - {master: 127.0.0.1, name: mid}\n' >/etc/salt/relay
mkdir -p /srv/mom/conf
printf 'root_dir: /srv/mom\nuser: root\ninterface: 127.0.0.2\nid: mom\norder_masters: True\nauto_accept: True\n' >/srv/mom/conf/master
systemd-run --quiet --unit=mom /usr/lib/saltern/bin/salt-master -c /srv/mom/conf -l info
systemd-run --quiet --unit=stream redis-server --save '' --bind 127.0.0.1 --dir /tmp

for unit in salt-master salt-syndic salt-broker saltern-relay; do
	timeout 60 systemctl start "$unit" || fail "$unit does not start"
	is_active "$unit" || fail "$unit is $(systemctl is-active "$unit")"
done
systemd-run --quiet --unit=swarm saltern swarm --master 127.0.0.9 --minions 20 --recon-default 100ms --recon-max 100ms --acceptance-wait-time 1s --progress never
answers() { [ "$(salt -c /srv/mom/conf -t 10 --out=txt '*' test.ping 2>/dev/null | grep -c '^swarm-.*: True')" = 20 ]; }
until_true 60 answers || fail "20 minions behind the broker do not answer the master of masters"
say "READY: master, syndic, broker and relay; 20 of 20 minions answer through all of them"

# confined UNIT CAPABILITIES: what the kernel says about the process.
confined() {
	pid=$(main_pid "$1")
	[ "$(stat -c %U "/proc/$pid")" = salt ] || fail "$1 runs as $(stat -c %U "/proc/$pid")"
	grep -q '^CapEff:[[:space:]]*0*$' "/proc/$pid/status" || fail "$1 kept capabilities: $(grep CapEff "/proc/$pid/status")"
	grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" || fail "$1 may gain privileges"
	grep -q '^Seccomp:[[:space:]]*2' "/proc/$pid/status" || fail "$1 has no system call filter"
	# Where this host may not have as many, systemd gives what there is.
	limit=$(systemctl show --property LimitNOFILE --value "$1.service") most=$(awk '/^Max open files/ {print $5}' /proc/1/limits)
	[ "$limit" -le "$most" ] || limit=$most
	grep -q "^Max open files *[0-9]* *$limit " "/proc/$pid/limits" || fail "$1: $(grep 'open files' "/proc/$pid/limits"), the unit says $limit"
	nsenter --target "$pid" --mount sh -c ': >/usr/saltern-was-here' 2>/dev/null && fail "$1 sees /usr writable"
	return 0
}
for unit in salt-master salt-syndic salt-broker saltern-relay; do confined "$unit"; done
say "confined: account salt, no capabilities, no new privileges, system call filter, file limit of the unit, /usr read-only"

for unit in salt-master salt-syndic salt-broker; do
	pid=$(main_pid "$unit")
	systemctl reload "$unit" || fail "$unit does not reload"
	is_active "$unit" && [ "$pid" = "$(main_pid "$unit")" ] || fail "$unit did not survive the reload"
done
until_true 30 answers || fail "no answers after the reload"

# replaced UNIT OLD-PID: another process is in charge and ready.
replaced() { [ "$(main_pid "$1")" != "$2" ] && [ "$(main_pid "$1")" != 0 ] && is_active "$1"; }
for unit in salt-broker salt-syndic saltern-relay salt-master; do
	pid=$(main_pid "$unit")
	kill -KILL "$pid"
	until_true 30 replaced "$unit" "$pid" || fail "$unit did not come back after kill -9"
done
until_true 60 answers || fail "no answers after kill -9"
say "reloaded, killed with -9 and back: 20 of 20 answer"

# A process that hangs is found by the watchdog; here after 2 s instead of the unit's 60.
for unit in salt-master salt-broker; do
	[ "$(systemctl show --property WatchdogUSec --value "$unit.service")" = 1min ] || fail "$unit has no watchdog"
	mkdir -p "/run/systemd/system/$unit.service.d"
	printf '[Service]\nWatchdogSec=2\n' >"/run/systemd/system/$unit.service.d/watchdog.conf"
done
systemctl daemon-reload
systemctl restart salt-master salt-broker
until_true 60 answers || fail "no answers after the restart"
for unit in salt-master salt-broker; do
	pid=$(main_pid "$unit")
	kill -STOP "$pid"
	until_true 30 replaced "$unit" "$pid" || fail "$unit hangs and is not replaced"
done
until_true 60 answers || fail "no answers after the watchdog"
say "a frozen master and broker are replaced by the watchdog"

printf '%s\n' 'cluster_id: x' >>/etc/salt/master
systemctl restart salt-master 2>/dev/null && fail "the master starts with cluster_id"
journalctl --no-pager -u salt-master -n 20 | grep -q cluster_id || fail "the journal does not say why the master does not start"
sed -i '/cluster_id/d' /etc/salt/master
systemctl reset-failed salt-master
systemctl start salt-master salt-syndic || fail "the master does not start again"
until_true 60 answers || fail "no answers after a refused start"
say "a refused start fails the unit, and the journal says why"

# A new minion is worth a line in the master's log, and no signal has told it to open another file.
logrotate -f /etc/logrotate.d/saltern && logrotate -f /etc/logrotate.d/saltern-broker || fail "logrotate"
systemd-run --quiet --unit=late saltern swarm --master 127.0.0.1 --minions 1 --id-prefix late- --progress never
written() { grep -q late- /var/log/salt/master && [ "$(stat -c '%U %a' /var/log/salt/master)" = "salt 640" ]; }
until_true 60 written || fail "the log is not written after its rotation: $(ls -l /var/log/salt)"
for log in master syndic broker relay; do [ -s "/var/log/salt/$log.1" ] || fail "$log was not rotated"; done
say "the log is rotated, mode and owner stay"

for unit in saltern-relay salt-broker salt-syndic salt-master; do
	began=$(date +%s)
	systemctl stop "$unit" || fail "$unit does not stop"
	[ "$(systemctl show --property Result --value "$unit.service")" = success ] || fail "$unit stopped with $(systemctl show --property Result --value "$unit.service")"
	[ $(($(date +%s) - began)) -le 10 ] || fail "$unit took $(($(date +%s) - began)) s to stop"
done
say "stopped in time, every result is success"
dpkg -P saltern-syndic saltern-master saltern >>/tmp/log/packages 2>&1 || fail "dpkg -P"
say "ok"
