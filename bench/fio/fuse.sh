#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0
#
# Two writers into a file system on tmpfs that libfuse passes through, with the writeback cache and
# splice: KiB/s of fio's sync engine, until the data is in the backing file.
#
# bench: fio

set -e
rounds=5
/bin/busybox mkdir -p /tmp /sys
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t tmpfs -o size=1G tmp /tmp
cd /tmp
/bin/busybox mkdir backing fuse
/fuse_server --writeback --splice --threads /tmp/backing /tmp/fuse &
until /bin/busybox grep -q " /tmp/fuse fuse" /proc/mounts; do
	kill -0 $!
	/bin/busybox usleep 10000
done

write() {
	/bin/fio --name=write --directory=/tmp/fuse --ioengine=sync --rw=write --bs="$1" --size=64m --numjobs=2 \
		--fallocate=none --end_fsync=1 --unlink=1 --group_reporting --minimal | /bin/busybox cut -d ';' -f 48
}

for size in 1k 4k 1M; do
	write $size >/dev/null
	samples=$(for _ in $(/bin/busybox seq $rounds); do write $size; done | /bin/busybox sort -n)
	# shellcheck disable=SC2086
	set -- $samples
	[ $# -eq $rounds ]
	echo "bench fuse-write-$size: $1 $3 $5 of 1"
done
/bin/busybox umount fuse
wait
