// SPDX-License-Identifier: GPL-2.0
/*
 * The last put_page().
 *
 * bench: ordinary
 */
#include "folios.h"

static void put_pages(void)
{
	unsigned int i;

	for (i = 0; i < FOLIOS; i++)
		put_page(&folios[i]->page);
}

static int __init bench(void)
{
	BENCH("put_page", FOLIOS, get_folios(FOLIOS, 0), put_pages());
	return 0;
}
