/* SPDX-License-Identifier: GPL-2.0 */
/* What mm/folio_owner.c and mm/folio_drain.c share. */
#ifndef MM_FOLIO_OWNER_H
#define MM_FOLIO_OWNER_H

#include <linux/folio_owner.h>

#if IS_ENABLED(CONFIG_KUNIT)
bool folio_drain_give_up(struct folio *folio, unsigned int refs);
#endif

/*
 * Not accounted.  The word goes first: a reader without the folio lock that
 * sees the flag may still see the old word, which the tag tells apart.
 */
static inline void __folio_owner_install(struct folio *folio,
					 struct folio_owner *owner)
{
	WRITE_ONCE(folio->private,
		   (void *)((unsigned long)owner | FOLIO_OWNER_TAG));
	folio_set_private(folio);
}

#endif /* MM_FOLIO_OWNER_H */
