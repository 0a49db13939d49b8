/* SPDX-License-Identifier: GPL-2.0 */
/* Hugetlb pages of a file, for modules. */
#ifndef BENCH_HUGETLB_H
#define BENCH_HUGETLB_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagevec.h>
#include "bench.h"

#define HUGE		(2UL << 20)
#define MAX_HUGE	512

static struct page *huge_pages[MAX_HUGE];

/* Returns where they are mapped; huge_pages[] has references to them. */
static unsigned long map_huge_pages(struct file *file, unsigned int nr,
				    unsigned long flags)
{
	unsigned long addr = vm_mmap(file, 0, nr * HUGE, PROT_READ | PROT_WRITE,
				     flags, 0);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (get_user_pages_fast(addr + i * HUGE, 1, FOLL_WRITE,
					huge_pages + i) != 1)
			panic("no hugetlb pages for the benchmark");
	}
	return addr;
}

static void put_huge_pages(unsigned int nr)
{
	struct folio_batch batch;
	unsigned int i;

	folio_batch_init(&batch);
	for (i = 0; i < nr; i++) {
		if (!folio_batch_add(&batch, page_folio(huge_pages[i])))
			folios_put(&batch);
	}
	folios_put(&batch);
}

/* Nothing but huge_pages[] refers to them in the end. */
static void get_huge_pages(struct file *file, unsigned int nr)
{
	vm_munmap(map_huge_pages(file, nr, MAP_SHARED), nr * HUGE);
	vfs_truncate(&file->f_path, 0);
}

#endif /* BENCH_HUGETLB_H */
