// SPDX-License-Identifier: GPL-2.0
/* What scripts/coccinelle/api/folio_owner.cocci has to find: the marked lines, and no others. Not compiled. */

static void bad_private(struct folio *folio, void *data)
{
	if (folio_owner_set(folio, &owner))
		return;
	folio->private = data;	/* found */
}

static void bad_free(struct folio *folio)
{
	if (folio_owner_set(folio, &owner))
		return;
	__free_pages(&folio->page, 0);	/* found */
}

static void bad_sleep(struct folio *folio)
{
	mutex_lock(&lock);	/* found */
	folio_owner_release(folio);
	mutex_unlock(&lock);
}

static void bad_alloc(struct folio_batch *fbatch)
{
	struct item *item = kmalloc(sizeof(*item), GFP_KERNEL);	/* found */

	put(item);
}

static const struct folio_owner_ops bad_ops = {
	.free		= bad_sleep,
	.free_batch	= bad_alloc,
};

static void bad_testzero(struct page *page)
{
	if (put_page_testzero(page))	/* found */
		__free_page(page);
}

static bool bad_lone(struct folio *folio)
{
	if (folio_ref_count(folio) == 1) {	/* found */
		folio_clear_uptodate(folio);
		return true;
	}
	return false;
}

static void good_private(struct folio *folio, void *data)
{
	if (folio_owner_set(folio, &owner))
		return;
	folio_owner_clear(folio);
	folio_attach_private(folio, data);
}

static bool good_lone(struct folio *folio)
{
	if (!folio_trylock(folio))
		return false;
	if (folio_ref_count(folio) == 1) {
		folio_clear_uptodate(folio);
		return true;
	}
	folio_unlock(folio);
	return false;
}
