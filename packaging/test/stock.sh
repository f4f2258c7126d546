#!/bin/sh
# Stock Salt as packages; sourced. They hold wrappers around the source tree in STOCK_TREE under the names, with the units,
# the account and the habits (stop at removal, restart at an update) that Salt's own packages have.
major=$(sed -n 's/^\([0-9]*\).*/\1/p' "$STOCK_TREE/salt/_version.txt" 2>/dev/null || true)
pythonpath=
for dir in $(echo "$STOCK_PYTHONPATH" | tr : ' '); do
	[ -d "$dir/$major" ] && pythonpath=$pythonpath$dir/$major:
	pythonpath=$pythonpath$dir:
done

wrapper() { # version command file
	printf '#!/bin/sh\n# stock %s\nexport PYTHONPATH=%s%s\nexec %s %s/scripts/%s "$@"\n' "$1" "$pythonpath" "$STOCK_TREE" "$STOCK_PYTHON" "$STOCK_TREE" "$2" >"$3"
	chmod 755 "$3"
}

stock_unit() { # name limit extra
	printf '[Unit]\nDescription=stock %s\nAfter=network.target%s\n[Service]\nType=notify\nNotifyAccess=all\nLimitNOFILE=%s\nExecStart=/usr/bin/%s\n[Install]\nWantedBy=multi-user.target\n' "$1" "$3" "$2" "$1"
}

# stock_files DIRECTORY VERSION NAME COMMAND…: what package NAME holds.
stock_files() {
	files=$1 version=$2 name=$3
	shift 3
	rm -rf "$files" && mkdir -p "$files/usr/bin" "$files/usr/lib/systemd/system" "$files/usr/share/man/man1"
	for command in "$@"; do
		wrapper "$version" "$command" "$files/usr/bin/$command"
		echo stock | gzip -9n >"$files/usr/share/man/man1/$command.1.gz"
	done
	case $name in
	salt-master) stock_unit salt-master 100000 '' ;;
	salt-syndic) stock_unit salt-syndic 8192 ' salt-master.service
PartOf=salt-master.service' ;;
	salt-minion) stock_unit salt-minion 8192 ' salt-master.service' ;;
	esac >"$files/usr/lib/systemd/system/$name.service"
}

stock_deb() { # version name command…
	version=$1 name=$2 pkg=/tmp/stock/$2
	shift 2
	stock_files "$pkg" "$version" "$name" "$@"
	mkdir -p "$pkg/DEBIAN"
	[ "$name" != salt-minion ] && mkdir -p "$pkg/lib/systemd/system" && mv "$pkg/usr/lib/systemd/system/$name.service" "$pkg/lib/systemd/system/" && rm -r "$pkg/usr/lib"
	printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: none <none@example.org>\nDescription: stock stand-in\n' "$name" "$version" >"$pkg/DEBIAN/control"
	printf '#!/bin/sh\nset -e\n[ "$1" = configure ] || exit 0\nsystemctl daemon-reload\n[ -z "$2" ] || systemctl try-restart %s\n' "$name" >"$pkg/DEBIAN/postinst"
	printf '#!/bin/sh\nset -e\n[ "$1" != remove ] || systemctl stop %s\n' "$name" >"$pkg/DEBIAN/prerm"
	chmod 755 "$pkg/DEBIAN/postinst" "$pkg/DEBIAN/prerm"
	dpkg-deb --build --root-owner-group "$pkg" "/tmp/stock/$name.deb" >/dev/null
	dpkg -i "/tmp/stock/$name.deb" >>/tmp/log/packages 2>&1 || fail "dpkg -i stock's $name"
}

stock_rpm() { # version name command…
	version=$1 name=$2
	shift 2
	stock_files "/tmp/stock/$name" "$version" "$name" "$@"
	build_rpm "$name" "$version" "/tmp/stock/$name" "%%
%post
systemctl daemon-reload
%preun
[ \$1 -gt 0 ] || systemctl --no-reload disable --now $name.service
%postun
[ \$1 -lt 1 ] || systemctl try-restart $name.service"
	run_rpm -U "/tmp/$name.rpm" || fail "rpm -U stock's $name"
}
