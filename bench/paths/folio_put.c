// SPDX-License-Identifier: GPL-2.0
/*
 * The last folio_put(), without and with the allocation before it, and of large
 * folios.
 *
 * bench: ordinary
 */
#include "folios.h"

static int __init bench(void)
{
	static const char * const large[] = {
		[2] = "folio_put-order2",
		[4] = "folio_put-order4",
		[9] = "folio_put-order9",
	};
	unsigned int order;

	BENCH("folio_put", FOLIOS, get_folios(FOLIOS, 0), put_folios(FOLIOS));
	BENCH("folio_alloc+put", FOLIOS, bench_nothing(),
	      get_folios(FOLIOS, 0); put_folios(FOLIOS));
	for (order = 0; order < ARRAY_SIZE(large); order++) {
		if (large[order])
			BENCH(large[order], 8, get_folios(8, order), put_folios(8));
	}
	return 0;
}
