#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuse_fio.sh: what fio writes through a FUSE server with the writeback cache is
# what it reads from there, and what is in the files below, while pages are moved.

top=/tmp/fuse_fio
above=$top/above
below=$top/below
log=$top/log
engines='psync mmap'
count=0
status=0

if ! command -v fio >/dev/null; then
	echo '1..0 # SKIP no fio'
	exit 4
fi

# run_fio DIRECTORY ENGINE OPTION...
run_fio() {
	local directory=$1 engine=$2
	shift 2
	fio --name="$engine" --directory="$directory" --ioengine="$engine" \
		--rw=randwrite --bs=4k --size=4m --numjobs=2 --group_reporting \
		--verify=crc32c --verify_fatal=1 --end_fsync=1 "$@" >"$log" 2>&1
}

# claim TEXT DIRECTORY ENGINE OPTION...
claim() {
	local text=$1 not=
	shift
	count=$((count + 1))
	if ! run_fio "$@"; then
		not='not '
		status=1
		sed 's/^/# /' $log
	fi
	echo "${not}ok $count $text"
}

mkdir -p $above $below
./fuse_server --writeback --threads $below $above &
server=$!
until grep -q " $above fuse" /proc/mounts; do
	kill -0 $server || exit 1
	sleep 0.1
done
while echo 1 >/proc/sys/vm/compact_memory; do
	sleep 0.1
done &
mover=$!

echo 'TAP version 13'
echo '1..6'
for engine in $engines; do
	claim "$engine: what is written is read back" $above "$engine"
	echo 3 >/proc/sys/vm/drop_caches
	claim "$engine: it is read from the server" $above "$engine" --verify_only
	claim "$engine: it is in the files below" $below "$engine" --verify_only
done

kill $mover
umount $above
wait $server
rm -rf $top
exit $status
