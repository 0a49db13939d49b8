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
 * mm/hugetlb.c is a user to read.  Each hstate embeds a struct folio_owner, and
 * all of them share a domain.  A folio gets its owner when it becomes a hugetlb
 * folio, and loses it with folio_owner_clear() when it goes back to the buddy
 * allocator.  In between, each last put calls ->free, which either puts the
 * folio on the free list of the hstate, or gives it up.
 *
 * What this does *not* give:
 * - it does not keep the owner's object alive: that is for the owner to do, for
 *   as long as one of its folios is owned.  What it does keep is the module of
 *   the callbacks;
 * - it does not undo what the folio was used for.  LRU, deferred split and
 *   memcg are still in place when ->free runs; folio_owner_release() leaves
 *   them to the ordinary path, an owner that keeps the folio deals with them;
 * - it is not a reference: setting an owner does not change the count.
 *
 * See Documentation/mm/folio_owner.rst for the rules and the reasons.
 */

#include <linux/folio_owner_types.h>
#include <linux/kcsan-checks.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mm_types.h>
#include <linux/page-flags.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

struct folio_batch;
struct module;

/**
 * struct folio_owner_ops - the callbacks of an owner
 * @module: THIS_MODULE: cannot be unloaded as long as there is a folio
 * @lent: The owner gives the folio back to the one that it had before.  Only
 *	a drain does that.
 * @free: The count of @folio reached zero.  Required.
 * @free_batch: The counts of all folios in the batch reached zero; they have
 *	the same owner.  Optional, @free is called one by one without it, and
 *	may be with it.  The batch belongs to the caller: read it, do not change
 *	it.
 *
 * Their context is that of the last folio_put(): any but NMI, spinlocks may be
 * held, and interrupts be off.  They must not sleep, nor take a lock that is held
 * around a folio_put() elsewhere.
 *
 * The count is zero and stays so, folio_try_get() fails: the folio belongs to
 * the callback.  Unless PG_lru is set, folio->lru is the callback's to use, and
 * holds what was last there.  What the callback does not hand out again with
 * folio_owner_republish(), free with folio_owner_release() or, by means of its
 * own, after folio_owner_clear(), or put off with folio_owner_defer(), it has
 * kept: the folio stays owned, at count zero, and is the owner's to find again.
 */
struct folio_owner_ops {
	struct module *module;
	bool lent;
	void (*free)(struct folio *folio);
	void (*free_batch)(struct folio_batch *fbatch);
};

enum folio_owner_stat {
	FOLIO_OWNER_LIVE,
	FOLIO_OWNER_FREES,
	FOLIO_OWNER_BATCHED,
	FOLIO_OWNER_DEFERRED,
	FOLIO_OWNER_DRAINS,
	NR_FOLIO_OWNER_STATS
};

struct folio_owner_stats {
	long nr[NR_FOLIO_OWNER_STATS];
};

/**
 * struct folio_owner_domain - owners that are accounted for together
 * @name: for debugfs, tracing and dump_page()
 * @free_deferred: Folios that were handed to folio_owner_defer(), of any owner of
 *	the domain: all that wait, first come, first served.  They are linked by
 *	folio->lru, their ->mapping is NULL; the callback takes each off the list.
 *	It runs in a work item, and may sleep.
 * @stats: per-CPU counters
 * @deferred: folios waiting for @free_deferred, linked through their mapping
 * @work: empties @deferred
 * @longest_drain: in nanoseconds
 * @list: all registered domains
 *
 * One for each kind of owner.  Made by DEFINE_FOLIO_OWNER_DOMAIN(), and usable
 * from then on.  All members are private.
 */
struct folio_owner_domain {
	const char *name;
	void (*free_deferred)(struct list_head *folios);
	struct folio_owner_stats __percpu *stats;
	struct llist_head deferred;
	struct work_struct work;
	u64 longest_drain;
	struct list_head list;
};

/**
 * DEFINE_FOLIO_OWNER_DOMAIN - define a static domain
 * @_domain: The variable.
 * @_name: Its name, for people.
 * @_free_deferred: The callback for owners that defer, of the same module as
 *	theirs; else NULL.
 */
#define DEFINE_FOLIO_OWNER_DOMAIN(_domain, _name, _free_deferred)	\
	static DEFINE_PER_CPU(struct folio_owner_stats, _domain##_stats);\
	static struct folio_owner_domain _domain = {			\
		.name		= _name,				\
		.free_deferred	= _free_deferred,			\
		.stats		= &_domain##_stats,			\
		.deferred	= LLIST_HEAD_INIT(_domain.deferred),	\
		.work		= __WORK_INITIALIZER(_domain.work,	\
					folio_owner_workfn),		\
		.list		= LIST_HEAD_INIT(_domain.list),		\
	}

#ifdef CONFIG_FOLIO_OWNER

void folio_owner_workfn(struct work_struct *work);
void folio_owner_register(struct folio_owner_domain *domain);
void folio_owner_unregister(struct folio_owner_domain *domain);
void folio_owner_flush(struct folio_owner_domain *domain);

int folio_owner_set(struct folio *folio, struct folio_owner *owner);
void folio_owner_set_new(struct folio *folio, struct folio_owner *owner);
void folio_owner_clear(struct folio *folio);

void folio_owner_republish(struct folio *folio, int refs);
void folio_owner_release(struct folio *folio);
void folio_owner_defer(struct folio *folio);

void __folio_owner_free(struct folio *folio);
unsigned int folio_owner_free_run(struct folio_batch *folios,
				  unsigned int *refs, unsigned int i);

/**
 * folio_owner_account - count folios that come or go
 * @domain: The domain of their owner.
 * @nr: How many came; negative if they went.
 *
 * For code that uses folio_owner_mark().
 *
 * Context: Any.
 */
static inline void folio_owner_account(struct folio_owner_domain *domain,
				       long nr)
{
	this_cpu_add(domain->stats->nr[FOLIO_OWNER_LIVE], nr);
}

/**
 * folio_owner_mark - make a folio owned that nobody can see yet
 * @folio: The folio.
 * @owner: Its owner, not of a module.
 *
 * For code that initialises a whole memmap: neither atomic nor accounted,
 * folio_owner_account() does the latter for all of it at once.
 *
 * Context: Any, on a folio that cannot be reached by others.
 */
static inline void folio_owner_mark(struct folio *folio,
				    struct folio_owner *owner)
{
	folio->private = (void *)((unsigned long)owner | FOLIO_OWNER_TAG);
	__set_bit(PG_private, folio_flags(folio, 0));
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
	const unsigned long *flags = const_folio_flags(folio, 0);

	ASSERT_EXCLUSIVE_BITS(*flags, BIT(PG_private));
	/* One instruction, which the volatile access of test_bit() is not. */
	return unlikely(*flags & BIT(PG_private));
}

/* True if the folio, whose count reached zero, went to its owner. */
static __always_inline bool folio_owner_free(struct folio *folio)
{
	if (!folio_owner_wants(folio))
		return false;
	__folio_owner_free(folio);
	return true;
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

static inline unsigned int folio_owner_free_run(struct folio_batch *folios,
						unsigned int *refs,
						unsigned int i)
{
	return 1;
}

#endif /* CONFIG_FOLIO_OWNER */
#endif /* _LINUX_FOLIO_OWNER_H */
