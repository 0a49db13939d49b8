// SPDX-License-Identifier: GPL-2.0
/*
 * The last put of hugetlb pages, in batches: what munmap() does at its end,
 * without what it does before.
 *
 * bench: owned hugetlb-put-512 <= 150
 */
#include "hugetlb.h"

static int __init bench(void)
{
	struct file *file = filp_open("/huge/file", O_RDWR | O_CREAT, 0600);

	if (IS_ERR(file))
		return PTR_ERR(file);
	BENCH("hugetlb-put-512", MAX_HUGE, get_huge_pages(file, MAX_HUGE),
	      put_huge_pages(MAX_HUGE));
	filp_close(file, NULL);
	return 0;
}
