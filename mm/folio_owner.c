// SPDX-License-Identifier: GPL-2.0
/*
 * Owners of folios: one hook for the last put
 *
 * An owned folio has PG_private set and (owner | FOLIO_OWNER_TAG) in
 * folio->private.  The free path tests PG_private, which no ordinary folio has
 * when its count reaches zero, and comes here.
 *
 * Lifetime.  Owners look after themselves.  Each folio has a reference to the
 * module of the callbacks.  One that gave up the last may be on its way out when
 * the module is unloaded: folio_owner_unregister() waits for it.
 *
 * Ordering.  A folio gets its owner before it is published, or while the
 * setter holds a reference.  Either way the two stores to the folio come before
 * the setter drops its last reference.  That is a fully ordered atomic, as is
 * the one that takes the count to zero: whoever does the latter sees the owner.
 */
#define pr_fmt(fmt) "folio_owner: " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/folio_owner.h>
#include <linux/memcontrol.h>
#include <linux/mm_inline.h>
#include <linux/module.h>
#include <linux/pagevec.h>
#include <linux/seq_file.h>
#include <kunit/visibility.h>
#include "folio_owner.h"

static DEFINE_STATIC_KEY_FALSE(folio_owner_watched);	/* by debugfs, tracing */

static int folio_owner_watch(void)
{
	static_branch_inc(&folio_owner_watched);
	return 0;
}

static void folio_owner_unwatch(void)
{
	static_branch_dec(&folio_owner_watched);
}

#define CREATE_TRACE_POINTS
#include <trace/events/folio_owner.h>

static LIST_HEAD(folio_owner_domains);
static DEFINE_MUTEX(folio_owner_domains_lock);

static noinline void folio_owner_tell(struct folio_owner *owner,
				      struct folio *folio, unsigned int nr)
{
	struct folio_owner_stats __percpu *stats = owner->domain->stats;

	this_cpu_add(stats->nr[FOLIO_OWNER_FREES], nr);
	if (nr > 1)
		this_cpu_add(stats->nr[FOLIO_OWNER_BATCHED], nr);
	trace_folio_owner_free(folio, owner, nr);
}

/*
 * Pairs with synchronize_rcu() in folio_owner_unregister().  Without a preempt
 * count, RCU sees no quiescent state but where code sleeps, as no callback does.
 */
static inline bool folio_owner_needs_rcu(const struct folio_owner_ops *ops)
{
	return IS_ENABLED(CONFIG_PREEMPT_COUNT) && ops->module;
}

/* Out of line: a tail call does for the others. */
static noinline void folio_owner_free_rcu(const struct folio_owner_ops *ops,
					  struct folio *folio)
{
	rcu_read_lock();
	ops->free(folio);
	rcu_read_unlock();
}

/* It is leaked, as what bad_page() reports.  That only sees where it looks. */
static noinline void folio_owner_corrupt(struct folio *folio)
{
	WARN_ONCE(1, "folio_owner: pfn %#lx freed with private data %p but no owner: leaked\n",
		  folio_pfn(folio), folio->private);
}

/**
 * __folio_owner_free - give a folio whose count reached zero to its owner
 * @folio: The folio, which has PG_private set.
 *
 * If the word in folio->private is not that of an owner, that is reported; it is
 * not followed, and the folio is leaked.
 *
 * Context: Any but NMI.
 */
void __folio_owner_free(struct folio *folio)
{
	unsigned long word = (unsigned long)folio->private;
	struct folio_owner *owner = (void *)(word - FOLIO_OWNER_TAG);

	if (unlikely((word & FOLIO_OWNER_MASK) != FOLIO_OWNER_TAG)) {
		folio_owner_corrupt(folio);
		return;
	}
	if (static_branch_unlikely(&folio_owner_watched))
		folio_owner_tell(owner, folio, 1);

	non_block_start();
	if (folio_owner_needs_rcu(owner->ops))
		folio_owner_free_rcu(owner->ops, folio);
	else
		owner->ops->free(folio);
	non_block_end();
}

/* No word but that of an owner looks like one, with or without the flag. */
static bool folio_owner_is(const struct folio *folio,
			   const struct folio_owner *owner)
{
	return folio && (unsigned long)READ_ONCE(folio->private) ==
			((unsigned long)owner | FOLIO_OWNER_TAG);
}

/* Drop the references to the folios from @i on that @owner has; returns the end. */
static noinline unsigned int folio_owner_free_batch(struct folio_batch *folios,
						    unsigned int *refs,
						    unsigned int i,
						    struct folio_owner *owner)
{
	const struct folio_owner_ops *ops = owner->ops;
	struct folio_batch run __uninitialized;

	folio_batch_init(&run);
	folio_batch_add(&run, folios->folios[i]);
	while (++i < folios->nr && folio_owner_is(folios->folios[i], owner)) {
		struct folio *folio = folios->folios[i];

		if (!folio_ref_sub_and_test(folio, refs ? refs[i] : 1))
			continue;
		/* A drain may have come or gone before the last reference. */
		if (likely(folio_owner_is(folio, owner)))
			folio_batch_add(&run, folio);
		else
			__folio_put(folio);
	}

	if (static_branch_unlikely(&folio_owner_watched))
		folio_owner_tell(owner, run.folios[0], folio_batch_count(&run));

	non_block_start();
	if (folio_owner_needs_rcu(ops)) {
		rcu_read_lock();
		ops->free_batch(&run);
		rcu_read_unlock();
	} else {
		ops->free_batch(&run);
	}
	non_block_end();
	return i;
}

/**
 * folio_owner_free_run - free a run of folios that have the same owner
 * @folios: A batch that is being put.
 * @refs: The references to drop from each; NULL for one.
 * @i: The index of a folio whose references were dropped, whose count is zero,
 *	and which has PG_private set.
 *
 * If the owner has a ->free_batch and the next folio, drops the references of
 * all that follow and have the same owner, and calls it once for those that are
 * at zero then.
 *
 * Context: Any but NMI.
 * Return: The number of folios that were dealt with.
 */
unsigned int folio_owner_free_run(struct folio_batch *folios,
				  unsigned int *refs, unsigned int i)
{
	struct folio *folio = folios->folios[i];
	struct folio_owner *owner = folio_owner(folio);

	if (owner && i + 1 < folios->nr &&
	    folio_owner_is(folios->folios[i + 1], owner) &&
	    owner->ops->free_batch)
		return folio_owner_free_batch(folios, refs, i, owner) - i;
	__folio_owner_free(folio);
	return 1;
}

/**
 * folio_owner_republish - hand a folio out again
 * @folio: An owned folio at count zero.
 * @refs: Its references from now on.
 *
 * Everything that the owner did to the folio is visible to whoever gets a
 * reference.  The folio stays owned, and from this call on it may be found and
 * referenced by others at any time.
 *
 * Context: Any.
 */
void folio_owner_republish(struct folio *folio, int refs)
{
	if (WARN_ONCE(refs <= 0 || folio_ref_count(folio),
		      "folio_owner: cannot republish a folio at count %d with %d\n",
		      folio_ref_count(folio), refs))
		return;
	/* Release; pairs with the atomics of folio_try_get(). */
	folio_ref_unfreeze(folio, refs);
}
EXPORT_SYMBOL_GPL(folio_owner_republish);

/**
 * folio_owner_release - free a folio
 * @folio: An owned folio at count zero.
 *
 * Clears the owner and does what the last folio_put() does for an ordinary
 * folio.  Outside a callback, the caller keeps the module of the owner from being
 * unloaded.
 *
 * Context: Any but NMI.
 */
void folio_owner_release(struct folio *folio)
{
	if (WARN_ONCE(folio_ref_count(folio),
		      "folio_owner: cannot release a folio at count %d\n",
		      folio_ref_count(folio)))
		return;
	folio_owner_clear(folio);
	__folio_put(folio);
}
EXPORT_SYMBOL_GPL(folio_owner_release);

/* While a folio is deferred nobody can reach it: ->mapping is free to use. */
static struct llist_node *folio_owner_node(struct folio *folio)
{
	BUILD_BUG_ON(sizeof(folio->mapping) != sizeof(struct llist_node));
	return (struct llist_node *)&folio->mapping;
}

static void folio_owner_del_lru(struct folio *folio)
{
	struct lruvec *lruvec;
	unsigned long flags;

	if (!folio_test_lru(folio))
		return;
	lruvec = folio_lruvec(folio);
	spin_lock_irqsave(&lruvec->lru_lock, flags);
	lruvec_del_folio(lruvec, folio);
	__folio_clear_lru_flags(folio);
	spin_unlock_irqrestore(&lruvec->lru_lock, flags);
}

/**
 * folio_owner_defer - continue in process context
 * @folio: An owned folio at count zero, not of ZONE_DEVICE.
 *
 * Queues the folio for ->free_deferred of the domain, which may sleep.  Takes it
 * off the LRU: who finds it there may follow folio->mapping, which is used for
 * the queue, and lost.
 *
 * The queue has no rescuer: no memory allocation may depend on it.
 *
 * Context: Any but NMI.
 */
void folio_owner_defer(struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);
	struct folio_owner_domain *domain;

	if (WARN_ONCE(!owner || !owner->domain->free_deferred ||
		      folio_ref_count(folio) || folio_is_zone_device(folio),
		      "folio_owner: cannot defer a folio of %s at count %d\n",
		      owner ? owner->domain->name : "nobody",
		      folio_ref_count(folio)))
		return;
	domain = owner->domain;
	folio_owner_del_lru(folio);
	this_cpu_inc(domain->stats->nr[FOLIO_OWNER_DEFERRED]);
	/*
	 * Queued on an empty list only: otherwise the work is on its way, and
	 * has not emptied the list yet.  The domain is there until then, as the
	 * folio keeps its module.  Pairs with llist_del_all() in
	 * folio_owner_workfn().
	 */
	if (llist_add(folio_owner_node(folio), &domain->deferred))
		queue_work(system_dfl_wq, &domain->work);
}
EXPORT_SYMBOL_GPL(folio_owner_defer);

/* The work of a domain, for DEFINE_FOLIO_OWNER_DOMAIN(). */
void folio_owner_workfn(struct work_struct *work)
{
	struct folio_owner_domain *domain =
		container_of(work, struct folio_owner_domain, work);
	struct llist_node *node = llist_del_all(&domain->deferred);
	LIST_HEAD(waiting);

	while (node) {
		struct folio *folio = container_of((struct address_space **)node,
						   struct folio, mapping);

		node = node->next;
		folio->mapping = NULL;
		list_add(&folio->lru, &waiting);
		cond_resched();
	}

	if (!list_empty(&waiting))
		domain->free_deferred(&waiting);
	if (WARN_ONCE(!list_empty(&waiting),
		      "folio_owner: %s left deferred folios behind\n", domain->name))
		list_del(&waiting);
}
EXPORT_SYMBOL_GPL(folio_owner_workfn);

/**
 * folio_owner_flush - wait until deferred folios have been dealt with
 * @domain: The domain.
 *
 * Context: Process context, may sleep.
 */
void folio_owner_flush(struct folio_owner_domain *domain)
{
	flush_work(&domain->work);
}
EXPORT_SYMBOL_GPL(folio_owner_flush);

/**
 * folio_owner_set - give a folio an owner
 * @folio: The folio.
 * @owner: The owner.
 *
 * Context: Any.  The caller holds the folio lock, or is the only one who can
 * reach the folio.  An unlocked folio with an owner must not be on an LRU list.
 * Return: 0; -EBUSY if the folio has an owner, file-system private data, or is
 * in the swap cache; -ESHUTDOWN if the owner's module is being unloaded.  On
 * error nothing has changed.
 */
int folio_owner_set(struct folio *folio, struct folio_owner *owner)
{
	if (folio_test_private(folio) || folio_test_swapcache(folio))
		return -EBUSY;
	if (owner->ops->module && !try_module_get(owner->ops->module))
		return -ESHUTDOWN;

	__folio_owner_install(folio, owner);
	folio_owner_account(owner->domain, 1);
	trace_folio_owner_set(folio, owner);
	return 0;
}
EXPORT_SYMBOL_GPL(folio_owner_set);

/**
 * folio_owner_set_new - give a folio an owner before anybody knows it
 * @folio: The folio, fresh from an allocator.
 * @owner: The owner; its module, if it is one, is that of the caller.
 *
 * Does not fail: a leftover in the word is reported, and overwritten.
 *
 * Context: Any, on a folio that cannot be reached by others.
 */
void folio_owner_set_new(struct folio *folio, struct folio_owner *owner)
{
	WARN_ONCE(folio_test_private(folio),
		  "folio_owner: pfn %#lx is new, but has private data %p\n",
		  folio_pfn(folio), folio->private);
	__module_get(owner->ops->module);
	folio_owner_mark(folio, owner);
	folio_owner_account(owner->domain, 1);
	trace_folio_owner_set(folio, owner);
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_set_new);

/**
 * folio_owner_clear - take the owner from a folio
 * @folio: An owned folio.  One that is being drained is reported, and left as
 *	it is: its owner comes back.
 *
 * Context: Any.  The caller holds the folio lock, or is the only one who can
 * reach the folio, or the folio is under writeback, which the owner ends after
 * that: a drain does not begin meanwhile, and those who hold the lock wait for
 * writeback to end before they look at folio->private.  Outside a callback, the
 * caller keeps the module of the owner from being unloaded.
 */
void folio_owner_clear(struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);
	struct module *module;

	if (WARN_ONCE(!owner || owner->ops->lent,
		      "folio_owner: cannot clear a folio that is %s\n",
		      owner ? "being drained" : "not owned"))
		return;
	trace_folio_owner_clear(folio, owner);
	module = owner->ops->module;
	folio_owner_account(owner->domain, -1);
	folio_clear_private(folio);
	/* With this, the owner may go. */
	WRITE_ONCE(folio->private, NULL);
	module_put(module);
}
EXPORT_SYMBOL_GPL(folio_owner_clear);

/**
 * folio_owner_register - show a domain in debugfs
 * @domain: The domain.
 *
 * Context: Process context, may sleep.
 */
void folio_owner_register(struct folio_owner_domain *domain)
{
	guard(mutex)(&folio_owner_domains_lock);
	list_add_tail(&domain->list, &folio_owner_domains);
}
EXPORT_SYMBOL_GPL(folio_owner_register);

static long folio_owner_sum(struct folio_owner_domain *domain,
			    enum folio_owner_stat stat)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(domain->stats, cpu)->nr[stat]);
	return sum;
}

/**
 * folio_owner_unregister - the end of a domain
 * @domain: The domain, registered.
 *
 * For the exit of a module, which does not come about before the last folio
 * has gone.  Returns when all callbacks have returned: what they use may go.
 *
 * Context: Process context, sleeps for an RCU grace period.
 */
void folio_owner_unregister(struct folio_owner_domain *domain)
{
	long live = folio_owner_sum(domain, FOLIO_OWNER_LIVE);

	WARN_ONCE(live, "folio_owner: %s goes away, but has %ld folios\n",
		  domain->name, live);

	/* Pairs with folio_owner_needs_rcu(). */
	synchronize_rcu();
	flush_work(&domain->work);

	guard(mutex)(&folio_owner_domains_lock);
	list_del_init(&domain->list);
}
EXPORT_SYMBOL_GPL(folio_owner_unregister);

static int folio_owner_show(struct seq_file *m, void *unused)
{
	struct folio_owner_domain *domain;
	int i;

	seq_printf(m, "%-16s %8s %10s %10s %10s %10s %12s\n", "owner", "live",
		   "frees", "batched", "deferred", "drains", "longest(us)");

	guard(mutex)(&folio_owner_domains_lock);
	list_for_each_entry(domain, &folio_owner_domains, list) {
		seq_printf(m, "%-16s %8ld", domain->name,
			   folio_owner_sum(domain, FOLIO_OWNER_LIVE));
		for (i = FOLIO_OWNER_FREES; i < NR_FOLIO_OWNER_STATS; i++)
			seq_printf(m, " %10ld", folio_owner_sum(domain, i));
		seq_printf(m, " %12llu\n", div_u64(READ_ONCE(domain->longest_drain),
						   NSEC_PER_USEC));
	}
	return 0;
}

/* 1 counts frees from now on, 0 stops that. */
static ssize_t folio_owner_write(struct file *file, const char __user *buf,
				 size_t count, loff_t *ppos)
{
	static bool counting;
	bool on;
	int err = kstrtobool_from_user(buf, count, &on);

	if (err)
		return err;

	guard(mutex)(&folio_owner_domains_lock);
	if (on && !counting)
		folio_owner_watch();
	if (!on && counting)
		folio_owner_unwatch();
	counting = on;
	return count;
}
DEFINE_SHOW_STORE_ATTRIBUTE(folio_owner);

static int __init folio_owner_debugfs(void)
{
	debugfs_create_file("folio_owner", 0644, NULL, NULL, &folio_owner_fops);
	return 0;
}
late_initcall(folio_owner_debugfs);
