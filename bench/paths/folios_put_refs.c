// SPDX-License-Identifier: GPL-2.0
/*
 * folios_put_refs() of batches.
 *
 * bench: ordinary
 */
#include <linux/pagevec.h>
#include "folios.h"

static struct folio_batch batch;
static unsigned int refs[PAGEVEC_SIZE];

static void fill_batch(unsigned int nr)
{
	unsigned int i;

	folio_batch_init(&batch);
	get_folios(nr, 0);
	for (i = 0; i < nr; i++) {
		folio_batch_add(&batch, folios[i]);
		folio_ref_inc(folios[i]);
		refs[i] = 2;
	}
}

static int __init bench(void)
{
	BENCH("folios_put_refs-1", 1, fill_batch(1),
	      folios_put_refs(&batch, refs));
	BENCH("folios_put_refs-15", 15, fill_batch(15),
	      folios_put_refs(&batch, refs));
	BENCH("folios_put_refs-31", 31, fill_batch(31),
	      folios_put_refs(&batch, refs));
	return 0;
}
