// SPDX-License-Identifier: GPL-2.0
/*
 * The last put of hugetlb pages, in batches: what munmap() does at its end,
 * without what it does before.
 *
 * bench: owned hugetlb-put-512 <= 75 %
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagevec.h>
#include "bench.h"

#define MANY	512
#define STEP	(2UL << 20)

static struct page *pages[MANY];

/* Nothing but @pages refers to them in the end. */
static void get_pages(struct file *file)
{
	unsigned long addr = vm_mmap(file, 0, MANY * STEP, PROT_READ | PROT_WRITE,
				     MAP_SHARED, 0);
	unsigned int i;

	for (i = 0; i < MANY; i++) {
		if (get_user_pages_fast(addr + i * STEP, 1, FOLL_WRITE, pages + i) != 1)
			panic("no hugetlb pages for the benchmark");
	}
	vm_munmap(addr, MANY * STEP);
	vfs_truncate(&file->f_path, 0);
}

static void put_pages(unsigned int nr)
{
	struct folio_batch batch;
	unsigned int i;

	folio_batch_init(&batch);
	for (i = 0; i < nr; i++) {
		if (!folio_batch_add(&batch, page_folio(pages[i])))
			folios_put(&batch);
	}
	folios_put(&batch);
}

static int __init bench(void)
{
	struct file *file = filp_open("/huge/file", O_RDWR | O_CREAT, 0600);

	if (IS_ERR(file))
		return PTR_ERR(file);
	BENCH("hugetlb-put-512", MANY, get_pages(file), put_pages(MANY));
	filp_close(file, NULL);
	return 0;
}
