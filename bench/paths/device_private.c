// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of device-private memory: handing them out, and the last put.
 *
 * bench: owned device-private-put <= 100 %
 * bench: owned device-private-init+put <= 100 %
 */
#include <linux/ioport.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>
#include "bench.h"

#define PAGES	64

static struct page *pages;

static void page_free(struct page *page)
{
}

static vm_fault_t migrate_to_ram(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct dev_pagemap_ops ops = {
	.page_free	= page_free,
	.migrate_to_ram	= migrate_to_ram,
};

static struct dev_pagemap pgmap = {
	.type		= MEMORY_DEVICE_PRIVATE,
	.ops		= &ops,
	.owner		= &pgmap,
	.nr_range	= 1,
};

static void init_pages(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++) {
		zone_device_page_init(pages + i);
		unlock_page(pages + i);
	}
}

static void put_pages(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		put_page(pages + i);
}

static int __init bench(void)
{
	struct resource *res;
	void *err;

	res = request_free_mem_region(&iomem_resource, SZ_128M, "bench");
	if (IS_ERR(res))
		return PTR_ERR(res);
	pgmap.range = (struct range) { res->start, res->end };
	err = memremap_pages(&pgmap, NUMA_NO_NODE);
	if (IS_ERR(err))
		return PTR_ERR(err);
	pages = pfn_to_page(PHYS_PFN(res->start));

	BENCH("device-private-put", PAGES, init_pages(), put_pages());
	BENCH("device-private-init+put", PAGES, bench_nothing(),
	      init_pages(); put_pages());

	memunmap_pages(&pgmap);
	release_mem_region(res->start, resource_size(res));
	return 0;
}
