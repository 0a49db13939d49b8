/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the folio_owner selftests ask of lib/test_folio_owner.c.
 *
 * The device can be mapped.  Each page of a mapping is a folio that the module
 * owns.  The first belongs to the open file, which holds a reference to it of
 * its own; it is the one that DRAIN and STATUS are about.  The others have no
 * references but those of the mapping.
 */
#ifndef _LIB_TEST_FOLIO_OWNER_UAPI_H
#define _LIB_TEST_FOLIO_OWNER_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TEST_FOLIO_OWNER_MAX_GRABBED	64

/* The offset, in pages, of a mapping whose other pages take long to free. */
#define TEST_FOLIO_OWNER_LINGER		1

/**
 * struct test_folio_owner_grab - take references to mapped pages
 * @addr: user address of the first
 * @stride: distance to the next, in bytes
 * @nr: how many
 * @write: to write to them
 */
struct test_folio_owner_grab {
	__u64 addr;
	__u64 stride;
	__u64 nr;
	__u64 write;
};

/**
 * struct test_folio_owner_frames - page frames of memory that is online
 * @pfn: the first
 * @nr: how many
 */
struct test_folio_owner_frames {
	__u64 pfn;
	__u64 nr;
};

enum test_folio_owner_how {
	TEST_FOLIO_OWNER_FOLIO_PUT,
	TEST_FOLIO_OWNER_FOLIOS_PUT,
	TEST_FOLIO_OWNER_PUT_PAGES_LIST,
	TEST_FOLIO_OWNER_HARDIRQ_PUT,
};

/**
 * struct test_folio_owner_put - drop the references that were grabbed
 * @how: enum test_folio_owner_how
 * @refs: references to drop from each page.  More than one also drops those
 *	that somebody else holds: the one of idle device memory.
 * @count: (out) the reference count of the first page, afterwards
 */
struct test_folio_owner_put {
	__u32 how;
	__u32 refs;
	__s32 count;
};

/**
 * struct test_folio_owner_drain - wait until only the file uses its page
 * @timeout_ms: for how long
 * @killable: whether a fatal signal ends the wait
 */
struct test_folio_owner_drain {
	__u32 timeout_ms;
	__u32 killable;
};

/**
 * struct test_folio_owner_status - the page of the file
 * @count: its reference count
 * @owned: whether its owner is the module
 */
struct test_folio_owner_status {
	__s32 count;
	__u32 owned;
};

/**
 * struct test_folio_owner_race - drain against put, on two CPUs
 * @want: stop when each outcome was seen this often
 * @timeout_ms: give up after this time
 * @rounds: (out) how many drains there were
 * @fast: (out) drained, without foreign references from the start
 * @slow: (out) drained by the last foreign put
 * @cancelled: (out) cancelled in time
 * @lost: (out) not cancelled: the last put came between the waiter's look at
 *	the count and its attempt to cancel
 * @broken: (out) rounds after which the folio was not as it should be
 */
struct test_folio_owner_race {
	__u32 want;
	__u32 timeout_ms;
	__u64 rounds;
	__u64 fast;
	__u64 slow;
	__u64 cancelled;
	__u64 lost;
	__u64 broken;
};

#define TEST_FOLIO_OWNER_GRAB	_IOW('F', 0xe0, struct test_folio_owner_grab)
#define TEST_FOLIO_OWNER_PUT	_IOWR('F', 0xe1, struct test_folio_owner_put)
#define TEST_FOLIO_OWNER_DRAIN	_IOW('F', 0xe2, struct test_folio_owner_drain)
#define TEST_FOLIO_OWNER_STATUS	_IOR('F', 0xe3, struct test_folio_owner_status)
/* DRAIN, of the only page that was grabbed, which nobody need own. */
#define TEST_FOLIO_OWNER_DRAIN_GRABBED \
	_IOW('F', 0xe6, struct test_folio_owner_drain)
/* Write this byte all over each page that was grabbed. */
#define TEST_FOLIO_OWNER_FILL	_IO('F', 0xe7)
#define TEST_FOLIO_OWNER_RACE	_IOWR('F', 0xe5, struct test_folio_owner_race)
/* GRAB, by page frame, whatever it is that has a reference already. */
#define TEST_FOLIO_OWNER_GRAB_FRAMES \
	_IOW('F', 0xe8, struct test_folio_owner_frames)
/* Take a reference to each of them and drop it again, one after the other. */
#define TEST_FOLIO_OWNER_TOUCH_FRAMES \
	_IOW('F', 0xe9, struct test_folio_owner_frames)

#endif /* _LIB_TEST_FOLIO_OWNER_UAPI_H */
