#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows the owners of folios at work on real users; not a test.

owners=/sys/kernel/debug/folio_owner
tracing=/sys/kernel/tracing

# How many folios the owners of this name were handed so far.
frees() {
	awk -v name="$1" '$1 == name { sum += $3 } END { print sum + 0 }' $owners
}

# show NAME USER PAGES WHAT: has pages freed, and says what their owner got
show() {
	local before after
	before=$(frees "$1")
	if ! ./use_pages "$2" "$3"; then
		failed=1
	fi
	after=$(frees "$1")
	printf '%2d %s: %d freed through their owner\n' "$3" "$4" $((after - before))
	if [ $((after - before)) -ne "$3" ]; then
		failed=1
	fi
}

failed=0
pool=/proc/sys/vm/nr_hugepages
cd "$(dirname "$0")" || exit
modprobe test_hmm
modprobe test_folio_owner
if [ ! -e /dev/dax0.0 ]; then
	ndctl create-namespace -f -e namespace0.0 -m devdax >/dev/null 2>&1
fi
: >$tracing/trace
echo 1 >$tracing/events/folio_owner/enable

echo "Folios whose last reference goes are handed to their owner:"
echo $(($(cat $pool) + 1)) >$pool
show hugetlb "hugetlb" 8 "hugetlb pages mapped, written, unmapped"
show device-private device-private 2 "device-private pages migrated to, unmapped"
show device-generic devdax 2 "devdax pages mapped, written, unmapped, dropped"
echo $(($(cat $pool) - 1)) >$pool

echo 0 >$tracing/events/folio_owner/enable
echo
echo "$owners:"
cat $owners
echo
echo "What the tracepoints saw (nr: folios in one call of the owner):"
grep -v -e '^#' -e test_folio_owner $tracing/trace | head -n 10

rmmod test_folio_owner test_hmm
exit $failed
