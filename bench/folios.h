/* SPDX-License-Identifier: GPL-2.0 */
/* Folios for a sample. */
#ifndef BENCH_FOLIOS_H
#define BENCH_FOLIOS_H

#include <linux/gfp.h>
#include <linux/mm.h>
#include "bench.h"

#define FOLIOS	64

static struct folio *folios[FOLIOS];

static void get_folios(unsigned int nr, unsigned int order)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		folios[i] = folio_alloc(GFP_KERNEL | __GFP_NOWARN, order);
		if (!folios[i])
			panic("no memory for the benchmark");
	}
}

static __maybe_unused void put_folios(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		folio_put(folios[i]);
}

#endif /* BENCH_FOLIOS_H */
