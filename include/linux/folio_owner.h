/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_FOLIO_OWNER_H
#define _LINUX_FOLIO_OWNER_H

/*
 * A folio is freed when its last reference goes.  A folio_owner hears of that
 * moment and decides what becomes of the folio instead.
 *
 * The one difference to every other "free" callback of the kernel: it is bound
 * to the folio and not to a mapping, a page type or a zone, and it is called
 * when the reference count reaches zero and not when the folio leaves the page
 * cache.  A folio that was truncated but is still pinned is still owned.
 *
 * mm/hugetlb.c is a user to read.  Each hstate embeds a struct folio_owner;
 * a folio gets it with folio_owner_set() when it becomes a hugetlb folio, and
 * loses it with folio_owner_clear() when it goes back to the buddy allocator.
 * In between, each last put calls the hstate's ->free, which either puts the
 * folio on the free list of the hstate (folio_owner_keep()), or gives it up.
 *
 * What this does *not* give:
 * - it does not keep the owner's object alive: folio_owner_exit() does, by
 *   waiting for the last owned folio;
 * - it does not undo what the folio was used for.  LRU, deferred split and
 *   memcg are still in place when ->free runs; folio_owner_release() leaves
 *   them to the ordinary path, an owner that keeps the folio deals with them;
 * - it is not a reference: setting an owner does not change the count.
 *
 * See Documentation/mm/folio_owner.rst for the rules and the reasons.
 */

#include <linux/folio_owner_types.h>
#include <linux/kcsan-checks.h>
#include <linux/mm_types.h>
#include <linux/page-flags.h>

struct folio_batch;
struct module;

/**
 * struct folio_owner_ops - the callbacks of an owner
 * @name: the kind of owner ("hugetlb"), shown by debugfs, tracing, dump_page()
 * @module: THIS_MODULE
 * @parent: The registered owner of which the owners with these callbacks are
 *	parts, see folio_owner_init_part(); NULL if they are registered.
 * @free: The count of @folio reached zero.  Required.
 * @free_batch: The counts of all folios in the batch reached zero; they have
 *	the same owner.  Optional, @free is called one by one without it, and
 *	may be with it.  The batch belongs to the caller: read it, do not change
 *	it.
 * @free_deferred: The folio was handed to folio_owner_defer().  Required by
 *	owners that do so.  folio->mapping is NULL.
 * @detach: The folio, which is under writeback, leaves the page cache: end the
 *	writeback, now.  @folio is locked; whether the owner still has it is for
 *	the callback to find out.  Returns true if it did.  Optional, for parts.
 *
 * ============== =========================================== ============
 * callback       context                                     may sleep
 * ============== =========================================== ============
 * free           that of the last folio_put(): any but NMI,  no
 *                spinlocks may be held, interrupts be off
 * free_batch     the same                                    no
 * free_deferred  a work item of the owner                    yes
 * detach         that of truncation, under rcu_read_lock()   no
 * ============== =========================================== ============
 *
 * @free and @free_batch run under rcu_read_lock(), and must not take a lock
 * that is held around a folio_put() elsewhere.
 *
 * The count is zero and stays so, folio_try_get() fails: the folio belongs to
 * the callback.  Unless PG_lru is set, folio->lru is the callback's to use, and
 * holds what was last there.  Each callback ends, for each folio, with exactly one of
 * folio_owner_keep(), folio_owner_republish(), folio_owner_release(), which is
 * folio_owner_clear() for an owner that frees the folio by its own means, or,
 * not in @free_deferred, folio_owner_defer().  CONFIG_DEBUG_VM tells if one did
 * not.
 */
struct folio_owner_ops {
	const char *name;
	struct module *module;
	struct folio_owner *parent;
	void (*free)(struct folio *folio);
	void (*free_batch)(struct folio_batch *fbatch);
	void (*free_deferred)(struct folio *folio);
	bool (*detach)(struct folio *folio);
};

#ifdef CONFIG_FOLIO_OWNER

int folio_owner_init(struct folio_owner *owner,
		     const struct folio_owner_ops *ops, const char *name);
void folio_owner_exit(struct folio_owner *owner);
void folio_owner_flush(struct folio_owner *owner);
void folio_owner_init_part(struct folio_owner *part,
			   const struct folio_owner_ops *ops);

int folio_owner_set(struct folio *folio, struct folio_owner *owner);
void folio_owner_clear(struct folio *folio);
bool folio_owner_detach(struct folio *folio);

int folio_owner_get_many(struct folio_owner *owner, unsigned long nr);
void folio_owner_put_many(struct folio_owner *owner, unsigned long nr);

void folio_owner_republish(struct folio *folio, int refs);
void folio_owner_release(struct folio *folio);
void folio_owner_defer(struct folio *folio);

bool __folio_owner_free(struct folio *folio);
unsigned int folio_owner_free_run(struct folio_batch *folios,
				  unsigned int *refs, unsigned int i);

void folio_owner_dump(const struct folio *folio);

#ifdef CONFIG_DEBUG_VM
void folio_owner_keep(struct folio *folio);
#else
static inline void folio_owner_keep(struct folio *folio)
{
}
#endif

/**
 * folio_owner_mark - make a folio owned that nobody can see yet
 * @folio: The folio.
 * @owner: Its owner.
 *
 * For code that initialises a whole memmap: neither atomic nor accounted,
 * folio_owner_get_many() does the latter for all of it at once.
 *
 * Context: Any, on a folio that cannot be reached by others.
 */
static inline void folio_owner_mark(struct folio *folio,
				    struct folio_owner *owner)
{
	folio->private = (void *)((unsigned long)owner | FOLIO_OWNER_TAG);
	__set_bit(PG_private, &folio->flags);
}

/**
 * folio_owner - the owner of a folio
 * @folio: The folio.
 *
 * Context: Any.  The answer is stable while the caller holds the folio lock,
 * or is the only one who can reach the folio.  Anybody else may compare it, but
 * not follow it.
 * Return: The owner, or NULL if the folio has none.
 */
static inline struct folio_owner *folio_owner(const struct folio *folio)
{
	unsigned long word = (unsigned long)READ_ONCE(folio->private);

	if (!folio_test_private(folio) ||
	    (word & FOLIO_OWNER_MASK) != FOLIO_OWNER_TAG)
		return NULL;
	return (struct folio_owner *)(word - FOLIO_OWNER_TAG);
}

/*
 * The one test of the free path, on a folio whose count reached zero.  An
 * ordinary folio never gets there with PG_private set: folio_attach_private()
 * holds a reference.
 */
static __always_inline bool folio_owner_wants(const struct folio *folio)
{
	ASSERT_EXCLUSIVE_BITS(folio->flags, BIT(PG_private));
	/* One instruction, which the volatile access of test_bit() is not. */
	return unlikely(folio->flags & BIT(PG_private));
}

/* True if the folio, whose count reached zero, went to its owner. */
static __always_inline bool folio_owner_free(struct folio *folio)
{
	return folio_owner_wants(folio) && __folio_owner_free(folio);
}

#else /* !CONFIG_FOLIO_OWNER */

static inline struct folio_owner *folio_owner(const struct folio *folio)
{
	return NULL;
}

static inline bool folio_owner_wants(const struct folio *folio)
{
	return false;
}

static inline bool folio_owner_free(struct folio *folio)
{
	return false;
}

static inline bool folio_owner_detach(struct folio *folio)
{
	return false;
}

static inline void folio_owner_dump(const struct folio *folio)
{
}

static inline unsigned int folio_owner_free_run(struct folio_batch *folios,
						unsigned int *refs,
						unsigned int i)
{
	return 0;
}

#endif /* CONFIG_FOLIO_OWNER */
#endif /* _LINUX_FOLIO_OWNER_H */
