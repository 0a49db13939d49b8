#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0
#
# Two writers into a file system on tmpfs that libfuse passes through, with the writeback cache and
# splice: KiB/s of fio's sync engine, until the data is in the backing file. From the command line of the
# kernel are 'file', the size of a file, 'tmpfs', that of the backing file system, and 'sizes', of what is
# written at a time.
#
# bench: fio

set -e
rounds=5
/bin/busybox mkdir -p /tmp /sys
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t tmpfs -o size="${tmpfs:-1G}" tmp /tmp
cd /tmp
# Memory is slow when an emulator has yet to ask its host for it.
/bin/busybox dd if=/dev/zero of=full bs=1M 2>/dev/null || /bin/busybox rm full
/bin/busybox mkdir backing fuse
/fuse_server --writeback --splice --threads /tmp/backing /tmp/fuse &
until /bin/busybox grep -q " /tmp/fuse fuse" /proc/mounts; do
	kill -0 $!
	/bin/busybox usleep 10000
done

write() {
	/bin/fio --name=write --ioengine=sync --rw=write --size="${file:-64m}" --numjobs=2 --fallocate=none \
		--group_reporting --minimal --bs "$@" | /bin/busybox cut -d ';' -f 48
}

measure() {
	path=$1
	shift
	write "$@" >/dev/null
	samples=$(for _ in $(/bin/busybox seq $rounds); do write "$@"; done | /bin/busybox sort -n)
	# shellcheck disable=SC2086
	set -- $samples
	[ $# -eq $rounds ]
	echo "bench $path: $1 $3 $5 of 1"
}

measure_fuse() {
	for size in ${sizes:-1k 4k 1M}; do
		measure "fuse-write-$size$1" "$size" --directory=/tmp/fuse --end_fsync=1 --unlink=1
	done
}

# What is not the file system.
measure null-write-4k 4k --filename=/dev/null
# By default, one percent of what the whole system may have dirty; then all of that.
measure_fuse
id=$(/bin/busybox grep ' /tmp/fuse ' /proc/self/mountinfo | /bin/busybox cut -d ' ' -f 3)
echo 100 >"/sys/class/bdi/$id/max_ratio"
measure_fuse -max_ratio-100
/bin/busybox umount fuse
wait
