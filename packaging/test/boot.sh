#!/bin/sh
# Called by run.sh inside fresh namespaces: makes the throw-away host and becomes its process 1.
#   boot.sh ROOT WORK SCENARIO [STOCK-TREE]
set -eu
base=$1 work=$2 scenario=$3 tree=${4-}

mount --make-rprivate /
mkdir -p "$work/layer"
mount -t tmpfs -o mode=755 tmpfs "$work/layer"
mkdir "$work/layer/upper" "$work/layer/scratch" "$work/layer/root"
root=$work/layer/root
mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/layer/upper,workdir=$work/layer/scratch" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
	touch "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir "$root/shared"
mount --bind "$work/shared" "$root/shared"
for dir in "$tree" $(echo "${tree:+${STOCK_SALT_PYTHONPATH:-}}" | tr : ' '); do
	[ -n "$dir" ] || continue
	mkdir -p "$root$dir"
	mount --bind "$dir" "$root$dir"
	mount -o remount,ro,bind "$root$dir"
done

hostname saltern-test
echo saltern-test >"$root/etc/hostname"
echo '127.0.0.1 localhost saltern-test' >"$root/etc/hosts"
ip link set lo up
# The scenario is what this host is for: it ends with it, and with its status.
cat >"$root/etc/systemd/system/scenario.service" <<UNIT
[Unit]
After=multi-user.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=1200
Environment=LC_ALL=C.UTF-8 HOME=/root STOCK_TREE=$tree STOCK_PYTHON=${STOCK_SALT_PYTHON:-/usr/bin/python3} STOCK_PYTHONPATH=${STOCK_SALT_PYTHONPATH:-}
WorkingDirectory=/shared
ExecStart=/bin/sh /shared/$scenario.sh
StandardOutput=append:/shared/output
StandardError=append:/shared/output
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../scenario.service "$root/etc/systemd/system/multi-user.target.wants/scenario.service"
for unit in redis-server.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer logrotate.timer e2scrub_all.timer fstrim.timer; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
exec env -i container=saltern-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --log-target=console --show-status=no
