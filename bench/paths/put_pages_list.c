// SPDX-License-Identifier: GPL-2.0
/*
 * put_pages_list().
 *
 * bench: ordinary
 */
#include "folios.h"

static LIST_HEAD(list);

static void fill_list(void)
{
	unsigned int i;

	get_folios(FOLIOS, 0);
	for (i = 0; i < FOLIOS; i++)
		list_add_tail(&folios[i]->lru, &list);
}

static int __init bench(void)
{
	BENCH("put_pages_list", FOLIOS, fill_list(), put_pages_list(&list));
	return 0;
}
