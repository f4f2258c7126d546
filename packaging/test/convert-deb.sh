#!/bin/sh
# The conversion with Debian packages, see convert.sh.
. /shared/lib.sh
. /shared/stock.sh
format=deb
stock_package() { stock_deb "$@"; }
install_saltern() { install_deb "$1"; }
update_saltern() { install_deb "$1"; }
remove_saltern() { dpkg -r saltern-syndic saltern-master saltern >>/tmp/log/packages 2>&1; }
purge_saltern() { dpkg -P saltern-syndic saltern-master saltern >>/tmp/log/packages 2>&1 || fail "dpkg -P"; }
remove_stock() { dpkg -P salt-master salt-syndic >>/tmp/log/packages 2>&1; }
is_saltern() { for c in salt-master salt-syndic salt-key salt; do [ "$(readlink "/usr/bin/$c")" = saltern ] || return 1; done; }
stock_updated() { grep -q '^# stock 1.1' /usr/bin/salt-master.stock; }
nothing_left() {
	{
		dpkg-divert --list 'saltern*'
		find /usr -name 'salt*.stock*'
	} >/tmp/left 2>/dev/null
	! [ -s /tmp/left ]
}
. /shared/convert.sh
