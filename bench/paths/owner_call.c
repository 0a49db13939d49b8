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
	folio_owner_keep(folio);
}

static const struct folio_owner_ops ops = {
	.name	= "nothing",
	.module	= THIS_MODULE,
	.free	= hear,
};

static struct folio_owner owner;

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
	int err;

	err = folio_owner_init(&owner, &ops, NULL);
	if (err)
		return err;
	get_folios(FOLIOS, 0);
	BENCH("owner-direct-call", FOLIOS, set_counts(), put_directly());

	for (i = 0; i < FOLIOS; i++)
		folio_owner_set(folios[i], &owner);
	BENCH("owner-call", FOLIOS, set_counts(), put_folios(FOLIOS));

	for (i = 0; i < FOLIOS; i++)
		folio_owner_release(folios[i]);
	folio_owner_exit(&owner);
	return 0;
}
