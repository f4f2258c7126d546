#!/bin/sh
# Runs the scenarios of this directory on a throw-away host: Debian 12 with systemd as process 1, in namespaces of its own
# (mounts, network, processes, control groups), on a layer that is gone afterwards. Nothing of this host changes.
#
#   packaging/test/run.sh [SCENARIO…]        convert-deb convert-rpm units; all of them when none is named
#
# The packages are those in dist/; those of a later version in bin/next/, when there are any, show the update. Debian comes
# from debootstrap, once, and is kept in PACKAGE_TEST_ROOT (bin/debian-12); DEBIAN_MIRROR names another mirror. The
# conversions run for every source tree of stock Salt in STOCK_SALT (see docs/operate/interop.md).
set -eu

skip() {
	echo "package-test: skipped: $*"
	exit 0
}
here=$(cd "$(dirname "$0")/../.." && pwd)
mirror=${DEBIAN_MIRROR:-} # empty: what debootstrap itself uses
root=${PACKAGE_TEST_ROOT:-$here/bin/debian-12}
# systemd and rpm, what saltern's packages need, and what stock Salt's modules import.
packages=systemd,systemd-sysv,dbus,procps,iproute2,logrotate,rpm,redis-server,libzmq5,libssl3
packages=$packages,python3,python3-yaml,python3-jinja2,python3-msgpack,python3-cffi-backend,python3-zmq,python3-tornado,python3-distro,python3-psutil
packages=$packages,python3-packaging,python3-requests,python3-cryptography,python3-pycryptodome,python3-dateutil,python3-croniter
packages=$packages,python3-setproctitle,python3-aiohttp,python3-networkx,python3-jmespath,python3-distutils,python3-setuptools

[ "$(id -u)" = 0 ] || skip "needs root"
for command in unshare ip; do
	command -v "$command" >/dev/null || skip "needs $command"
done
ls "$here"/dist/saltern_*.deb >/dev/null 2>&1 || skip "no packages in dist/, run: make package"
unshare --mount --net --pid --cgroup --uts --ipc --fork true 2>/dev/null || skip "namespaces are not allowed here"
for group in /sys/fs/cgroup /sys/fs/cgroup/unified none; do
	[ -f "$group/cgroup.procs" ] && [ "$(stat -f -c %T "$group")" = cgroup2fs ] && break
done
[ "$group" != none ] || skip "no control groups of version 2"
group=$group/saltern-package-test.$$
mkdir "$group" 2>/dev/null || skip "control groups cannot be made here"

work=$(mktemp -d)
# shellcheck disable=SC2317 # called by the trap
clean() {
	[ ! -f "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		grep -q 'populated 0' "$group/cgroup.events" && break
		sleep 0.2
	done
	find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

if [ ! -d "$root" ]; then
	command -v debootstrap >/dev/null || skip "needs debootstrap"
	echo "package-test: Debian 12 ${mirror:+from $mirror }into $root, once"
	rm -rf "$root.part"
	mkdir -p "$(dirname "$root")"
	if ! debootstrap --variant=minbase --include="$packages" bookworm "$root.part" ${mirror:+"$mirror"} >"$work/debootstrap" 2>&1; then
		tail -n 5 "$work/debootstrap"
		rm -rf "$root.part"
		skip "debootstrap did not work${mirror:+ with $mirror}"
	fi
	mv "$root.part" "$root"
fi

# boot SCENARIO [STOCK-TREE]: the exit status is the scenario's.
boot() {
	rm -rf "$work/shared" && mkdir -p "$work/shared/dist" "$work/shared/next"
	cp "$here"/dist/*.deb "$here"/dist/*.rpm "$work/shared/dist/"
	cp "$here"/bin/next/*.deb "$here"/bin/next/*.rpm "$work/shared/next/" 2>/dev/null || true
	cp "$here"/packaging/test/*.sh "$work/shared/"
	: >"$work/shared/output"
	tail -n +1 -F "$work/shared/output" 2>/dev/null &
	tail=$!
	status=0
	sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' boot "$group" \
		unshare --mount --net --pid --cgroup --uts --ipc --fork \
		sh "$here/packaging/test/boot.sh" "$root" "$work" "$@" >"$work/console" 2>&1 </dev/null &
	wait "$!" || status=$? # a signal ends this wait, and the trap the rest
	sleep 1 # tail looks once a second
	kill "$tail"
	wait "$tail" 2>/dev/null || true
	if ! grep -q '^package-test: \(ok\|FAILED\)' "$work/shared/output"; then
		echo "package-test: FAILED: systemd did not reach the scenario, status $status"
		tail -n 20 "$work/console"
		return 1
	fi
	return "$status"
}

[ $# -gt 0 ] || set -- units convert-deb convert-rpm
for scenario in "$@"; do
	case $scenario in
	units)
		echo "== units under systemd"
		boot units
		;;
	convert-deb | convert-rpm)
		if [ -z "${STOCK_SALT:-}" ]; then
			echo "package-test: skipped: $scenario: no stock Salt in STOCK_SALT"
			continue
		fi
		for tree in $(echo "$STOCK_SALT" | tr : ' '); do
			[ -d "$tree/salt" ] || skip "no stock Salt in $tree"
			echo "== $scenario, $(cat "$tree/salt/_version.txt" 2>/dev/null || basename "$tree")"
			boot "$scenario" "$tree"
		done
		;;
	*)
		echo "package-test: no scenario $scenario" >&2
		exit 64
		;;
	esac
done
