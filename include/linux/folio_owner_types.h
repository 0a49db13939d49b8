/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_FOLIO_OWNER_TYPES_H
#define _LINUX_FOLIO_OWNER_TYPES_H

/*
 * What an object needs to embed a struct folio_owner.  The API is in
 * <linux/folio_owner.h>; it is apart because <linux/mm.h> reaches this header
 * through struct dev_pagemap, and should not be rebuilt with the API.
 */

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/percpu-refcount.h>
#include <linux/types.h>
#include <linux/workqueue_types.h>

struct folio_owner_ops;
struct folio_owner_stats;

/**
 * struct folio_owner - who hears of the last put of a folio
 * @ops: what to call
 * @name: the instance, for people; @ops->name tells the kind
 * @stats: per-CPU counters, shown in debugfs
 * @live: one reference for each folio that has this owner
 * @idle: completed when, after folio_owner_exit(), @live has dropped to zero
 * @deferred: folios waiting for @ops->free_deferred, linked through their
 *	mapping
 * @work: empties @deferred
 * @longest_drain: in nanoseconds
 * @list: all registered owners
 *
 * Embedded in the owner's own object, which the callbacks reach with
 * container_of().  All members but @ops are private to mm/folio_owner.c and
 * mm/folio_drain.c.  The alignment keeps the two low bits of its address free
 * for FOLIO_OWNER_TAG.
 */
struct folio_owner {
#ifdef CONFIG_FOLIO_OWNER
	const struct folio_owner_ops *ops;
	const char *name;
	struct folio_owner_stats __percpu *stats;
	struct percpu_ref live;
	struct completion idle;
	struct llist_head deferred;
	struct work_struct work;
	u64 longest_drain;
	struct list_head list;
#endif
} __aligned(4);

#endif /* _LINUX_FOLIO_OWNER_TYPES_H */
