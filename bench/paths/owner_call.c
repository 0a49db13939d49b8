// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to hear of the last put: an owner that does nothing, against a
 * direct call of a function that does nothing, in the same loop.
 *
 * bench: patched
 */
#include <linux/folio_owner.h>
#include "folios.h"

static void hear(struct folio *folio)
{
	barrier_data(folio);
}

static const struct folio_owner_ops ops = {
	.free	= hear,
};

DEFINE_FOLIO_OWNER_DOMAIN(domain, "nothing", NULL);

static struct folio_owner owner = {
	.ops	= &ops,
	.domain	= &domain,
};

static noinline void hear_directly(struct folio *folio)
{
	barrier_data(folio);
}

static void set_counts(void)
{
	unsigned int i;

	for (i = 0; i < FOLIOS; i++)
		folio_set_count(folios[i], 1);
}

static void put_directly(void)
{
	unsigned int i;

	for (i = 0; i < FOLIOS; i++) {
		if (folio_put_testzero(folios[i]))
			hear_directly(folios[i]);
	}
}

static int __init bench(void)
{
	unsigned int i;

	get_folios(FOLIOS, 0);
	BENCH("owner-direct-call", FOLIOS, set_counts(), put_directly());

	for (i = 0; i < FOLIOS; i++)
		folio_owner_set(folios[i], &owner);
	BENCH("owner-call", FOLIOS, set_counts(), put_folios(FOLIOS));

	for (i = 0; i < FOLIOS; i++)
		folio_owner_release(folios[i]);
	return 0;
}
