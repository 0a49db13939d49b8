// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes in bytes; the last is that of what an owner allocates.
 *
 * bench: size struct-page <= 100 %
 * bench: size struct-folio <= 100 %
 */
#include <linux/hugetlb.h>
#include <linux/memremap.h>
#include "bench.h"
#ifdef CONFIG_FOLIO_OWNER
#include <linux/folio_drain.h>
#include "../mm/folio_owner.h"
#endif

static void __init size(const char *name, size_t bytes)
{
	bench_print("%s: %zu %zu %zu of 1\n", name, bytes, bytes, bytes);
}

static int __init bench(void)
{
	size("struct-page", sizeof(struct page));
	size("struct-folio", sizeof(struct folio));
	size("struct-hstate", sizeof(struct hstate));
	size("struct-dev_pagemap", sizeof(struct dev_pagemap));
#ifdef CONFIG_FOLIO_OWNER
	size("struct-folio_owner", sizeof(struct folio_owner));
	size("struct-folio_drain", sizeof(struct folio_drain));
	size("owner-allocated-once", sizeof(struct percpu_ref_data));
	size("owner-allocated-per-CPU", sizeof(struct folio_owner_stats) +
					sizeof(unsigned long));
#endif
	return 0;
}
