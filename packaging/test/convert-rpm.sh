#!/bin/sh
# The conversion with RPM packages, see convert.sh. Without diversions stock keeps its commands; the units are saltern's.
. /shared/lib.sh
. /shared/stock.sh
format=rpm
stock_package() { stock_rpm "$@"; }
install_saltern() { install_rpm "$1"; }
update_saltern() {
	install_rpm "$1" && return
	[ "$1" = /shared/dist ] && run_rpm -U --replacepkgs "$1"/*.rpm
}
remove_saltern() { run_rpm -e saltern-syndic saltern-master saltern; }
purge_saltern() { :; }
remove_stock() { run_rpm -e salt-master salt-syndic; }
is_saltern() {
	for c in salt-master salt-syndic salt-key salt; do grep -q '^# stock' "/usr/bin/$c" || return 1; done
	[ "$(readlink /etc/systemd/system/salt-master.service)" = /usr/lib/saltern/systemd/salt-master.service ] &&
		[ "$(readlink /etc/systemd/system/salt-syndic.service)" = /usr/lib/saltern/systemd/salt-syndic.service ]
}
stock_updated() { grep -q '^# stock 1.1' /usr/bin/salt-master; }
nothing_left() {
	find / -xdev \( -path /tmp -o -path /shared -o -path /proc \) -prune -o -lname '*/usr/lib/saltern/*' -print >/tmp/left
	! [ -s /tmp/left ]
}
provide_libraries
. /shared/convert.sh
