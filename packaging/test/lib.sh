#!/bin/sh
# What the scenarios share; sourced, inside the throw-away host.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive

say() { echo "package-test: $*"; }
fail() {
	echo "package-test: FAILED: $*"
	for log in /tmp/log/* /var/log/salt/* /srv/*/var/log/salt/*; do
		[ -s "$log" ] && echo "== $log" && tail -n 15 "$log"
	done
	systemctl --no-pager --failed || true
	journalctl --no-pager -n 60 -u 'salt*' -u 'mom*' -u 'minion*' || true
	exit 1
}
mkdir -p /tmp/log
trap '[ $? = 0 ] || grep -q "^package-test: FAILED" /shared/output || echo "package-test: FAILED: the scenario ended early"' EXIT

# until_true SECONDS COMMAND…: try until it succeeds.
until_true() {
	limit=$(($(date +%s) + $1))
	shift
	until "$@" >/tmp/last 2>&1; do
		[ "$(date +%s)" -lt "$limit" ] || return 1
		sleep 0.5
	done
}
main_pid() { systemctl show --property MainPID --value "$1.service"; }
program() { readlink "/proc/$(main_pid "$1")/exe"; }
is_active() { systemctl is-active --quiet "$1.service"; }

case $(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null) in
debian) ;;
*) fail "this is not the throw-away host" ;;
esac
[ -f /shared/lib.sh ] || fail "this is not the throw-away host"

# The packages of saltern, in the two formats. install_saltern DIRECTORY: every package there.
install_deb() { dpkg -i "$1"/saltern_*.deb "$1"/saltern-master_*.deb "$1"/saltern-syndic_*.deb >>/tmp/log/packages 2>&1; }
# Debian's own build of rpm wants to be told that it is meant.
run_rpm() { rpm --force-debian "$@" >>/tmp/log/packages 2>&1; }
install_rpm() { run_rpm -U "$1"/saltern-[0-9]*.rpm "$1"/saltern-master-*.rpm "$1"/saltern-syndic-*.rpm; }
# build_rpm NAME VERSION FILES-DIRECTORY SPEC-TEXT: an RPM of a tree, for what the host has that rpm does not know of.
build_rpm() {
	top=/tmp/rpmbuild/$1
	rm -rf "$top" && mkdir -p "$top/SPECS"
	{
		printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: stand-in\nLicense: none\nBuildArch: noarch\nAutoReqProv: no\n' "$1" "$2"
		printf '%s\n' "$4" | sed -n '1,/^%%/{/^%%/!p}'
		printf '%%description\nstand-in\n%%install\nmkdir -p %%{buildroot}\ncp -a %s/. %%{buildroot}/\n%%files\n' "$3"
		(cd "$3" && find . ! -type d | sed 's/^\.//')
		printf '%s\n' "$4" | sed '1,/^%%/d'
	} >"$top/SPECS/package.spec"
	rpmbuild --define "_topdir $top" --define '__os_install_post %{nil}' -bb "$top/SPECS/package.spec" >>/tmp/log/packages 2>&1 || fail "rpmbuild $1"
	mv "$top"/RPMS/noarch/*.rpm "/tmp/$1.rpm"
}
# These are Debian's; rpm is told that they are there.
provide_libraries() {
	mkdir -p /tmp/nothing
	build_rpm host-libraries 1 /tmp/nothing 'Provides: libzmq.so.5()(64bit) libcrypto.so.3()(64bit) /bin/sh
%%'
	run_rpm -i /tmp/host-libraries.rpm || fail "rpm -i host-libraries"
}
