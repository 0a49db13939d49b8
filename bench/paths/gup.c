// SPDX-License-Identifier: GPL-2.0
/*
 * Getting and pinning pages of a process, and letting go of them.
 *
 * bench: ordinary
 */
#include <linux/mman.h>
#include <linux/mm.h>
#include "bench.h"

#define PAGES	64

static struct page *pages[PAGES];
static unsigned long addr;

static void put_pages(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		put_page(pages[i]);
}

static int __init bench(void)
{
	addr = vm_mmap(NULL, 0, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(addr))
		return addr;
	/* Not with interrupts off: this faults them in. */
	if (get_user_pages_fast(addr, PAGES, FOLL_WRITE, pages) != PAGES)
		return -EFAULT;
	put_pages();

	BENCH("get_user_pages_fast+put", PAGES, bench_nothing(),
	      get_user_pages_fast(addr, PAGES, FOLL_WRITE, pages); put_pages());
	BENCH("pin_user_pages_fast+unpin", PAGES, bench_nothing(),
	      pin_user_pages_fast(addr, PAGES, FOLL_WRITE, pages);
	      unpin_user_pages(pages, PAGES));
	BENCH("unpin_user_pages", PAGES,
	      pin_user_pages_fast(addr, PAGES, FOLL_WRITE, pages),
	      unpin_user_pages(pages, PAGES));
	return 0;
}
