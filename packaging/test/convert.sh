#!/bin/sh
# Converts a host and back: stock master and syndic with five stock minions under a stock master of masters → the
# packages are installed → the same minions answer the same master of masters → the packages are removed → stock again,
# and no key was accepted a second time.
#
# It works in namespaces of its own (mounts, network, processes) on a throw-away layer over this system, so that nothing
# of the host changes. There is no systemd in it: daemons are started by the ExecStart lines of the installed units.
# Needs root, dpkg, overlayfs, and a source tree of stock Salt (the first entry of STOCK_SALT, with STOCK_SALT_PYTHON
# and STOCK_SALT_PYTHONPATH as for make interop).
set -eu

skip() { echo "package-test: skipped: $*"; exit 0; }
here=$(cd "$(dirname "$0")/../.." && pwd)

if [ "${1-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	command -v dpkg-divert >/dev/null && command -v unshare >/dev/null || skip "needs dpkg and unshare"
	tree=${STOCK_SALT:-} && tree=${tree%%:*}
	[ -d "${tree:-/nonexistent}/salt" ] || skip "no stock Salt in STOCK_SALT"
	unshare --mount --net true 2>/dev/null || skip "namespaces are not allowed here"
	work=$(mktemp -d)
	trap 'rmdir "$work" 2>/dev/null || true' EXIT
	unshare --mount --net --pid --fork sh "$0" inside "$work" "$tree"
	exit
fi

work=$2 tree=$3
if [ "${4-}" != root ]; then
	mount -t tmpfs -o mode=755 tmpfs "$work"
	mkdir "$work/upper" "$work/scratch" "$work/root"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/scratch" "$work/root" || skip "no overlayfs"
	mount -t proc proc "$work/root/proc"
	mount --rbind /dev "$work/root/dev"
	mount -t tmpfs tmpfs "$work/root/tmp"
	mount -t tmpfs tmpfs "$work/root/run"
	mkdir "$work/root/tmp/dist"
	cp "$here"/dist/*.deb "$here"/dist/*.rpm "$work/root/tmp/dist/"
	for dir in "$tree" $(echo "${STOCK_SALT_PYTHONPATH:-}" | tr : ' '); do
		mkdir -p "$work/root$dir"
		mount --bind "$dir" "$work/root$dir" && mount -o remount,ro,bind "$work/root$dir"
	done
	cp "$0" "$work/root/tmp/convert.sh"
	ip link set lo up 2>/dev/null || ifconfig lo up
	exec chroot "$work/root" sh /tmp/convert.sh inside "$work" "$tree" root
fi

cd /tmp
export LC_ALL=C.UTF-8 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
rm -rf /etc/salt /var/cache/salt /var/log/salt
fail() {
	echo "package-test: FAILED: $*"
	for log in /tmp/log/*; do echo "== $log"; tail -n 15 "$log"; done
	exit 1
}
say() { echo "package-test: $*"; }
# until_true SECONDS COMMAND…: try until it succeeds.
until_true() {
	limit=$(($(date +%s) + $1))
	shift
	until "$@" >/tmp/last 2>&1; do
		[ "$(date +%s)" -lt "$limit" ] || return 1
		sleep 1
	done
}

# Stock as packages: what Salt's own packages have in these places, as wrappers around the source tree.
major=$(sed -n 's/^\([0-9]*\).*/\1/p' "$tree/salt/_version.txt" 2>/dev/null || true)
pythonpath=
for dir in $(echo "${STOCK_SALT_PYTHONPATH:-}" | tr : ' '); do
	[ -d "$dir/$major" ] && pythonpath=$pythonpath$dir/$major:
	pythonpath=$pythonpath$dir:
done
stock_package() { # name version commands…
	pkg=/tmp/stock/$1 name=$1 version=$2
	rm -rf "$pkg" && mkdir -p "$pkg/DEBIAN" "$pkg/usr/bin" "$pkg/lib/systemd/system" "$pkg/usr/share/man/man1"
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: none <none@example.org>\nDescription: stock stand-in\n' "$name" "$version" >"$pkg/DEBIAN/control"
	shift 2
	for command in "$@"; do
		printf '#!/bin/sh\n# stock %s\nexport PYTHONPATH=%s%s\nexec %s %s/scripts/%s "$@"\n' "$version" "$pythonpath" "$tree" "${STOCK_SALT_PYTHON:-/usr/bin/python3}" "$tree" "$command" >"$pkg/usr/bin/$command"
		chmod 755 "$pkg/usr/bin/$command"
		echo stock | gzip -9n >"$pkg/usr/share/man/man1/$command.1.gz"
	done
	printf '[Service]\nType=notify\nExecStart=/usr/bin/%s\n' "$name" >"$pkg/lib/systemd/system/$name.service"
	dpkg-deb --build --root-owner-group "$pkg" "/tmp/stock/$name.deb" >/dev/null
	dpkg -i "/tmp/stock/$name.deb" >/dev/null
}
mkdir -p /tmp/log /tmp/pids /tmp/stock
stock_package salt-master 1.0 salt-master salt-key salt
stock_package salt-syndic 1.0 salt-syndic
stock_package salt-minion 1.0 salt-minion
cp /usr/bin/salt-master /tmp/stock/mom-master
cp /usr/bin/salt /tmp/stock/mom-salt
cp /usr/bin/salt-key /tmp/stock/mom-key

launch() { # name command…
	name=$1
	shift
	setsid "$@" >>"/tmp/log/$name" 2>&1 &
	echo $! >"/tmp/pids/$name"
}
start() { # as the service manager would: the unit's own line
	line=$(sed -n 's/^ExecStart=//p' "/usr/lib/systemd/system/$1.service")
	# shellcheck disable=SC2086 # words of the line
	launch "$1" $line -l info
}
stop() {
	pid=$(cat "/tmp/pids/$1")
	kill -TERM "$pid" 2>/dev/null || true
	until_true 60 sh -c "! kill -0 $pid" || kill -KILL "-$pid" || true
}
alive() { kill -0 "$(cat "/tmp/pids/$1")" 2>/dev/null; }

# The master of masters has an address of its own: a stock syndic takes its publish port for the local master's.
mkdir -p /etc/salt /tmp/mom
printf 'interface: 127.0.0.1\nuser: root\nworker_threads: 3\ngather_job_timeout: 3\n' >/etc/salt/master
printf 'syndic_master: 127.0.0.2\nsyndic_wait: 3\n' >>/etc/salt/master
printf 'id: mid\nmaster: 127.0.0.1\nacceptance_wait_time: 1\n' >/etc/salt/minion
printf 'root_dir: /tmp/mom\nuser: root\ninterface: 127.0.0.2\norder_masters: True\nworker_threads: 3\nsyndic_wait: 3\ngather_job_timeout: 3\n' >/tmp/mom/master
launch mom /tmp/stock/mom-master -c /tmp/mom -l info
start salt-master
minions="m1 m2 m3 m4 m5"
for id in $minions; do
	mkdir -p "/tmp/$id"
	printf 'root_dir: /tmp/%s\nuser: root\nid: %s\nmaster: 127.0.0.1\nacceptance_wait_time: 1\nrandom_reauth_delay: 1\nmaster_alive_interval: 0\n' "$id" "$id" >"/tmp/$id/minion"
	launch "$id" salt-minion -c "/tmp/$id" -l info
done
pending() { [ "$(find /etc/salt/pki/master/minions_pre -type f 2>/dev/null | wc -l)" = 5 ]; }
until_true 180 pending || fail "the minions did not ask"
salt-key -y -A >/dev/null
start salt-syndic
mid_pending() { [ -f /tmp/mom/etc/salt/pki/master/minions_pre/mid ]; }
until_true 120 mid_pending || fail "the syndic did not ask"
/tmp/stock/mom-key -c /tmp/mom -y -a mid >/dev/null
# The master of masters asks; all five must answer.
answers() {
	/tmp/stock/mom-salt -c /tmp/mom -t 10 --out=txt '*' test.ping 2>/dev/null >/tmp/answers || true
	for id in $minions; do grep -q "^$id: True" /tmp/answers || return 1; done
}
until_true 240 answers || fail "stock: $(cat /tmp/answers)"
say "stock serves: 5 of 5 minions answer the master of masters"

# What must not change: every key file of the tier, by content. Pins of masters of masters may be added.
keys() { find /etc/salt/pki /tmp/mom/etc/salt/pki /tmp/m?/etc/salt/pki -type f ! -name 'syndic_master_*' ! -name .key_cache | sort | xargs sha256sum; }
keys >/tmp/keys.before
same_keys() {
	keys >/tmp/keys.now
	diff /tmp/keys.before /tmp/keys.now || fail "keys changed: $1"
	[ -z "$(find /etc/salt/pki/master/minions_pre /tmp/mom/etc/salt/pki/master/minions_pre -type f)" ] || fail "a key is pending: $1"
}
is_stock() { for c in salt-master salt-syndic salt-key salt; do grep -q '^# stock' "/usr/bin/$c" || return 1; done && grep -q '^ExecStart=/usr/bin/salt-master' /usr/lib/systemd/system/salt-master.service; }
is_saltern() { for c in salt-master salt-syndic salt-key salt; do [ "$(readlink "/usr/bin/$c")" = saltern ] || return 1; done && grep -q saltern /usr/lib/systemd/system/salt-master.service; }

dpkg -i /tmp/dist/saltern_*.deb /tmp/dist/saltern-master_*.deb /tmp/dist/saltern-syndic_*.deb >/tmp/log/dpkg 2>&1 || fail "dpkg -i"
is_saltern || fail "after the installation the commands or units are not saltern's"
alive salt-master && alive salt-syndic || fail "the installation stopped stock"
[ -z "$(find /proc -maxdepth 2 -name exe -lname '*/saltern' 2>/dev/null)" ] || fail "the installation started something"
answers || answers || fail "stock does not answer while the packages are installed"
say "packages installed: stock still serves, nothing was started"
saltern check --quick >/tmp/log/check 2>&1 || fail "saltern check: $(cat /tmp/log/check)"
grep -q 'stock salt-master runs' /tmp/log/check || fail "saltern check does not see stock"

stop salt-syndic
stop salt-master
began=$(date +%s)
start salt-master
start salt-syndic
until_true 240 answers || fail "saltern: $(cat /tmp/answers)"
readlink "/proc/$(cat /tmp/pids/salt-master)/exe" | grep -q saltern || fail "it is not saltern that serves"
same_keys "after the handover to saltern"
say "saltern serves: 5 of 5 answer the same master of masters, no key accepted anew, $(($(date +%s) - began)) s after its start"

stock_package salt-master 1.1 salt-master salt-key salt
is_saltern || fail "an update of stock took the names"
grep -q '^# stock 1.1' /usr/bin/salt-master.stock || fail "an update of stock went nowhere"
dpkg -i /tmp/dist/saltern-master_*.deb /tmp/dist/saltern_*.deb >>/tmp/log/dpkg 2>&1 || fail "dpkg -i again"
is_saltern && alive salt-master || fail "an update of the packages broke something"
say "updates of stock and of the packages change nothing"

stop salt-syndic
stop salt-master
dpkg -r saltern-syndic saltern-master saltern >>/tmp/log/dpkg 2>&1 || fail "dpkg -r"
is_stock || fail "after the removal the commands or units are not stock's"
[ -z "$(dpkg-divert --list 'saltern*' | cat; find /usr -name 'salt*.stock*' 2>/dev/null)" ] || fail "diversions are left"
start salt-master
start salt-syndic
until_true 240 answers || fail "stock again: $(cat /tmp/answers)"
same_keys "after the way back"
say "packages removed: stock serves again, 5 of 5, no key accepted anew"

dpkg -P saltern-syndic saltern-master saltern >>/tmp/log/dpkg 2>&1 || fail "dpkg -P"
same_keys "after the purge"
[ -d /var/cache/salt/master/saltern ] || fail "the purge took the jobs"
say "purged: keys, jobs and queues are kept"

stop salt-syndic
stop salt-master
dpkg -P salt-master salt-syndic >>/tmp/log/dpkg 2>&1 || fail "dpkg -P of stock"
dpkg -i /tmp/dist/*.deb >>/tmp/log/dpkg 2>&1 || fail "dpkg -i without stock"
is_saltern || fail "without stock the commands are missing"
dpkg -P saltern saltern-master saltern-syndic >>/tmp/log/dpkg 2>&1 || fail "dpkg -P without stock"
left=$(find /usr/bin /usr/lib/systemd /usr/lib/saltern /usr/share/man /usr/share/bash-completion -name "salt*" ! -name "salt-minion*" 2>/dev/null || true)
[ -z "$left" ] || fail "left behind: $left"
say "without stock: installed and purged, nothing left behind"

if command -v rpm >/dev/null; then
	for f in /tmp/dist/*.rpm; do rpm -qp --list --scripts "$f" >/tmp/log/rpm 2>&1 || fail "rpm cannot read $f"; done
	say "rpm reads the packages"
else
	say "rpm is not installed: the .rpm files were not read"
fi
say "ok"
