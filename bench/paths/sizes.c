// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes in bytes.
 *
 * bench: size struct-page <= 100 %
 * bench: size struct-folio <= 100 %
 * bench: size struct-hstate <= +24
 * bench: size struct-dev_pagemap <= +24
 */
#include <linux/hugetlb.h>
#include <linux/memremap.h>
#include "bench.h"
#ifdef CONFIG_FOLIO_OWNER
#include <linux/folio_drain.h>
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
#endif
	return 0;
}
