/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_FOLIO_OWNER_TYPES_H
#define _LINUX_FOLIO_OWNER_TYPES_H

/*
 * What an object needs to embed a struct folio_owner.  The API is in
 * <linux/folio_owner.h>; it is apart because <linux/mm.h> reaches this header
 * through struct dev_pagemap, and should not be rebuilt with the API.
 */

struct folio_owner_domain;
struct folio_owner_ops;

/**
 * struct folio_owner - who hears of the last put of a folio
 * @ops: what to call
 * @domain: who accounts for the folio
 *
 * Embedded in the owner's own object, which the callbacks reach with
 * container_of().  There is nothing to set up but these two words, and nothing
 * to undo: the object has to stay for as long as a folio leads to it.  The
 * alignment keeps the two low bits of its address free for FOLIO_OWNER_TAG.
 */
struct folio_owner {
	const struct folio_owner_ops *ops;
	struct folio_owner_domain *domain;
} __aligned(4);

#endif /* _LINUX_FOLIO_OWNER_TYPES_H */
