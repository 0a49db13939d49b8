// SPDX-License-Identifier: GPL-2.0
/*
 * The last put of hugetlb pages that come one by one: with folio_put(), and as
 * the only one in a batch.
 *
 * bench: owned hugetlb-put-one <= 100 %
 * bench: owned hugetlb-put-one-in-batch <= 100 %
 */
#include "hugetlb.h"

#define PAGES	64

static void put_each(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		folio_put(page_folio(huge_pages[i]));
}

static void put_batches(void)
{
	struct folio_batch batch;
	unsigned int i;

	folio_batch_init(&batch);
	for (i = 0; i < PAGES; i++) {
		folio_batch_add(&batch, page_folio(huge_pages[i]));
		folios_put(&batch);
	}
}

static int __init bench(void)
{
	struct file *file = filp_open("/huge/file", O_RDWR | O_CREAT, 0600);

	if (IS_ERR(file))
		return PTR_ERR(file);
	BENCH("hugetlb-put-one", PAGES, get_huge_pages(file, PAGES), put_each());
	BENCH("hugetlb-put-one-in-batch", PAGES, get_huge_pages(file, PAGES),
	      put_batches());
	filp_close(file, NULL);
	return 0;
}
