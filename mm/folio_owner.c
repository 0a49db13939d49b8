// SPDX-License-Identifier: GPL-2.0
/*
 * Owners of folios: one hook for the last put
 *
 * An owned folio has PG_private set and (owner | FOLIO_OWNER_TAG) in
 * folio->private.  The free path tests PG_private, which no ordinary folio has
 * when its count reaches zero, and comes here.
 *
 * Lifetime.  owner->live holds one reference for each owned folio.
 * folio_owner_exit() kills it, so that no folio can be added, and waits until
 * it is zero.  A callback that gave up the last folio may at that moment still
 * be on its way out of the owner's module; it runs under rcu_read_lock(), or
 * in owner->work, and folio_owner_exit() waits for both.
 *
 * Ordering.  A folio gets its owner before it is published, or while the
 * setter holds a reference.  Either way the two stores to the folio come before
 * the setter drops its last reference.  That is a fully ordered atomic, as is
 * the one that takes the count to zero: whoever does the latter sees the owner.
 */
#define pr_fmt(fmt) "folio_owner: " fmt

#include <linux/debugfs.h>
#include <linux/folio_owner.h>
#include <linux/jiffies.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagevec.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include "folio_owner.h"

#define CREATE_TRACE_POINTS
#include <trace/events/folio_owner.h>

static LIST_HEAD(folio_owners);
static DEFINE_MUTEX(folio_owners_lock);

/* Owners free memory: their deferred work must not wait for memory. */
static struct workqueue_struct *folio_owner_wq;

/* Seconds after which folio_owner_exit() says what it waits for; 0: never. */
static unsigned int exit_report_secs = 10;
module_param(exit_report_secs, uint, 0644);
MODULE_PARM_DESC(exit_report_secs, "Seconds between reports of who delays the end of an owner, 0 for none");

#ifdef CONFIG_DEBUG_VM
/*
 * The folios that are in a callback, to find the ones that it forgot.  Their
 * state is in no way kept in the folio: after the callback ended for it, it may
 * be anybody's.
 */
struct folio_owner_frame {
	struct list_head list;
	struct folio **folios;
	unsigned int nr;
	unsigned long pending;		/* bit i: folios[i] has not ended */
};

static LIST_HEAD(folio_owner_frames);
static DEFINE_RAW_SPINLOCK(folio_owner_frames_lock);

static void folio_owner_enter(struct folio_owner_frame *frame,
			      struct folio **folios, unsigned int nr)
{
	unsigned long flags;

	BUILD_BUG_ON(PAGEVEC_SIZE >= BITS_PER_LONG);
	frame->folios = folios;
	frame->nr = nr;
	frame->pending = BIT(nr) - 1;

	raw_spin_lock_irqsave(&folio_owner_frames_lock, flags);
	list_add(&frame->list, &folio_owner_frames);
	raw_spin_unlock_irqrestore(&folio_owner_frames_lock, flags);
}

static void folio_owner_leave(struct folio_owner_frame *frame, const char *name)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&folio_owner_frames_lock, flags);
	list_del(&frame->list);
	raw_spin_unlock_irqrestore(&folio_owner_frames_lock, flags);

	WARN_ONCE(frame->pending,
		  "folio_owner: a callback of %s did not end for pfn %#lx: it is leaked\n",
		  name, folio_pfn(frame->folios[__ffs(frame->pending)]));
}

static void folio_owner_end(struct folio *folio)
{
	struct folio_owner_frame *frame;
	unsigned long flags;
	unsigned int i;

	raw_spin_lock_irqsave(&folio_owner_frames_lock, flags);
	list_for_each_entry(frame, &folio_owner_frames, list) {
		for (i = 0; i < frame->nr; i++) {
			if (frame->folios[i] == folio)
				frame->pending &= ~BIT(i);
		}
	}
	raw_spin_unlock_irqrestore(&folio_owner_frames_lock, flags);
}

/**
 * folio_owner_keep - end a callback: the owner keeps the folio at count zero
 * @folio: The folio.
 *
 * The folio stays owned.  The owner may take it to any list of its own, and
 * uses folio_owner_republish() or folio_owner_release() on it some time later.
 * Call it before others can find the folio on that list.
 *
 * Context: A callback of the owner; no effect elsewhere.
 */
void folio_owner_keep(struct folio *folio)
{
	folio_owner_end(folio);
}
EXPORT_SYMBOL_GPL(folio_owner_keep);
#else
struct folio_owner_frame {
};

static inline void folio_owner_enter(struct folio_owner_frame *frame,
				     struct folio **folios, unsigned int nr)
{
}

static inline void folio_owner_leave(struct folio_owner_frame *frame,
				     const char *name)
{
}

static inline void folio_owner_end(struct folio *folio)
{
}
#endif /* CONFIG_DEBUG_VM */

static void folio_owner_call(struct folio_owner *owner, struct folio *folio)
{
	const struct folio_owner_ops *ops = owner->ops;
	struct folio_owner_frame frame;

	this_cpu_inc(owner->stats->frees);
	trace_folio_owner_free(folio, owner, 1);

	/* pairs with synchronize_rcu() in folio_owner_exit() */
	rcu_read_lock();
	folio_owner_enter(&frame, &folio, 1);
	ops->free(folio);
	folio_owner_leave(&frame, ops->name);
	rcu_read_unlock();
}

static void folio_owner_call_batch(struct folio_owner *owner,
				   struct folio_batch *fbatch)
{
	const struct folio_owner_ops *ops = owner->ops;
	unsigned int nr = folio_batch_count(fbatch);
	struct folio_owner_frame frame;

	this_cpu_add(owner->stats->frees, nr);
	this_cpu_add(owner->stats->batched, nr);
	trace_folio_owner_free(fbatch->folios[0], owner, nr);

	/* pairs with synchronize_rcu() in folio_owner_exit() */
	rcu_read_lock();
	folio_owner_enter(&frame, fbatch->folios, nr);
	ops->free_batch(fbatch);
	folio_owner_leave(&frame, ops->name);
	rcu_read_unlock();
}

/*
 * bad_page() says more, but only where the allocator checks pages.  True if the
 * folio is leaked: device memory must not get into the page allocator.
 */
static bool folio_owner_corrupt(struct folio *folio)
{
	WARN_ONCE(1, "folio_owner: pfn %#lx freed with private data %p but no owner\n",
		  folio_pfn(folio), folio->private);
	return folio_is_zone_device(folio);
}

/**
 * __folio_owner_free - give a folio whose count reached zero to its owner
 * @folio: The folio, which has PG_private set.
 *
 * Context: Any but NMI.
 * Return: False if the word in folio->private is not that of an owner: that is
 * reported, it is not followed, and the folio is left to the ordinary path.
 * Device memory is leaked instead, which must not get there.
 */
bool __folio_owner_free(struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);

	if (unlikely(!owner))
		return folio_owner_corrupt(folio);
	folio_owner_call(owner, folio);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(__folio_owner_free);

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
 * Return: The number of folios that were dealt with; zero if the first is left
 * to the ordinary path, as by __folio_owner_free().
 */
unsigned int folio_owner_free_run(struct folio_batch *folios,
				  unsigned int *refs, unsigned int i)
{
	struct folio *folio = folios->folios[i];
	struct folio_owner *owner = folio_owner(folio);
	struct folio_batch run __uninitialized;
	unsigned int end;

	if (unlikely(!owner))
		return folio_owner_corrupt(folio);

	end = i + 1;
	if (!owner->ops->free_batch || end == folios->nr ||
	    folio_owner(folios->folios[end]) != owner) {
		folio_owner_call(owner, folio);
		return 1;
	}

	folio_batch_init(&run);
	folio_batch_add(&run, folio);
	for (; end < folios->nr; end++) {
		folio = folios->folios[end];
		if (folio_owner(folio) != owner)
			break;
		if (!folio_ref_sub_and_test(folio, refs ? refs[end] : 1))
			continue;
		/* A drain may have come or gone before the last reference. */
		if (likely(folio_owner(folio) == owner))
			folio_batch_add(&run, folio);
		else
			__folio_put(folio);
	}
	folio_owner_call_batch(owner, &run);
	return end - i;
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_free_run);

/**
 * folio_owner_republish - end a callback: hand the folio out again
 * @folio: A folio at count zero.
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
	folio_owner_end(folio);
	/* Release; pairs with the atomics of folio_try_get(). */
	folio_ref_unfreeze(folio, refs);
}
EXPORT_SYMBOL_GPL(folio_owner_republish);

/**
 * folio_owner_release - end a callback: free the folio
 * @folio: An owned folio at count zero.
 *
 * Clears the owner and does what the last folio_put() does for an ordinary
 * folio.  If it was the last folio of an owner that is being shut down, the
 * owner may be gone when this returns to a caller that is neither a callback
 * nor holds off folio_owner_exit() otherwise.
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

static void folio_owner_workfn(struct work_struct *work)
{
	struct folio_owner *owner = container_of(work, struct folio_owner, work);
	const struct folio_owner_ops *ops = owner->ops;
	struct llist_node *node = llist_del_all(&owner->deferred);

	while (node) {
		struct folio *folio = container_of((struct address_space **)node,
						   struct folio, mapping);
		struct folio_owner_frame frame;

		node = node->next;
		folio->mapping = NULL;
		folio_owner_enter(&frame, &folio, 1);
		ops->free_deferred(folio);
		folio_owner_leave(&frame, ops->name);
		cond_resched();
	}
}

/**
 * folio_owner_defer - end a callback: continue in process context
 * @folio: An owned folio at count zero.
 *
 * Queues the folio for the owner's ->free_deferred, which may sleep.  Lock-free.
 * folio->mapping is used for that, and lost.
 *
 * Context: Any but NMI.
 */
void folio_owner_defer(struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);

	if (WARN_ONCE(!owner || !owner->ops->free_deferred || folio_ref_count(folio),
		      "folio_owner: cannot defer a folio of %s at count %d\n",
		      owner ? owner->ops->name : "nobody",
		      folio_ref_count(folio)))
		return;
	folio_owner_end(folio);
	this_cpu_inc(owner->stats->deferred);
	/*
	 * Queued on an empty list only: otherwise the work is on its way, and
	 * has not emptied the list yet.  The owner is alive until then, as the
	 * folio still is.  Pairs with llist_del_all() in folio_owner_workfn().
	 */
	if (llist_add(folio_owner_node(folio), &owner->deferred))
		queue_work(folio_owner_wq, &owner->work);
}
EXPORT_SYMBOL_GPL(folio_owner_defer);

/**
 * folio_owner_flush - wait until deferred folios have been dealt with
 * @owner: The owner.
 *
 * Context: Process context, may sleep.
 */
void folio_owner_flush(struct folio_owner *owner)
{
	flush_work(&owner->work);
}
EXPORT_SYMBOL_GPL(folio_owner_flush);

/**
 * folio_owner_get_many - account for folios that are about to be owned
 * @owner: The owner.
 * @nr: How many.
 *
 * For code that uses folio_owner_mark() on many folios.
 *
 * Context: Any.
 * Return: 0, or -ESHUTDOWN if folio_owner_exit() has begun.
 */
int folio_owner_get_many(struct folio_owner *owner, unsigned long nr)
{
	if (!nr)
		return 0;
	owner = owner->ops->parent ?: owner;
	/* Pairs with percpu_ref_kill() in folio_owner_exit(). */
	if (!percpu_ref_tryget_live(&owner->live))
		return -ESHUTDOWN;
	if (nr > 1)
		percpu_ref_get_many(&owner->live, nr - 1);
	this_cpu_add(owner->stats->live, nr);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_get_many);

/**
 * folio_owner_put_many - undo folio_owner_get_many()
 * @owner: The owner.
 * @nr: How many folios are no longer owned.
 *
 * Context: Any.
 */
void folio_owner_put_many(struct folio_owner *owner, unsigned long nr)
{
	owner = owner->ops->parent ?: owner;
	this_cpu_sub(owner->stats->live, nr);
	percpu_ref_put_many(&owner->live, nr);
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_put_many);

/**
 * folio_owner_set - give a folio an owner
 * @folio: The folio.
 * @owner: The owner.
 *
 * Context: Any.  The caller holds the folio lock, or is the only one who can
 * reach the folio.  An unlocked folio with an owner must not be on an LRU list.
 * Return: 0; -EBUSY if the folio has an owner, file-system private data, or is
 * in the swap cache; -ESHUTDOWN if folio_owner_exit() has begun.  On error
 * nothing has changed.
 */
int folio_owner_set(struct folio *folio, struct folio_owner *owner)
{
	int err;

	if (folio_test_private(folio) || folio_test_swapcache(folio))
		return -EBUSY;

	err = folio_owner_get_many(owner, 1);
	if (err)
		return err;

	__folio_owner_install(folio, owner);
	trace_folio_owner_set(folio, owner);
	return 0;
}
EXPORT_SYMBOL_GPL(folio_owner_set);

/**
 * folio_owner_clear - take the owner from a folio
 * @folio: An owned folio, which is not being drained.
 *
 * In a callback, ends it like folio_owner_release(), for an owner that frees
 * the folio by means of its own.
 *
 * Context: Any.  The caller holds the folio lock, or is the only one who can
 * reach the folio.
 */
void folio_owner_clear(struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);

	if (WARN_ONCE(!owner, "folio_owner: cleared twice\n"))
		return;
	trace_folio_owner_clear(folio, owner);
	folio_owner_end(folio);
	folio_clear_private(folio);
	WRITE_ONCE(folio->private, NULL);
	folio_owner_put_many(owner, 1);
}
EXPORT_SYMBOL_GPL(folio_owner_clear);

static void folio_owner_idle(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct folio_owner, live)->idle);
}

VISIBLE_IF_KUNIT
struct folio_owner_stats __percpu *folio_owner_alloc_stats(void)
{
	KUNIT_STATIC_STUB_REDIRECT(folio_owner_alloc_stats);

	return alloc_percpu(struct folio_owner_stats);
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_alloc_stats);

VISIBLE_IF_KUNIT int folio_owner_init_live(struct folio_owner *owner)
{
	KUNIT_STATIC_STUB_REDIRECT(folio_owner_init_live, owner);

	return percpu_ref_init(&owner->live, folio_owner_idle, 0, GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_init_live);

/* Show @owner in debugfs. */
void folio_owner_list(struct folio_owner *owner)
{
	mutex_lock(&folio_owners_lock);
	list_add_tail(&owner->list, &folio_owners);
	mutex_unlock(&folio_owners_lock);
}

/**
 * folio_owner_init - register an owner
 * @owner: The owner, embedded in the caller's object, not on a stack.
 * @ops: Its callbacks.
 * @name: The instance, for people; must stay valid.  May be NULL.
 *
 * Context: Process context, may sleep.
 * Return: 0; -EINVAL if @ops has no name, no free, or a parent; -ENOMEM.
 */
int folio_owner_init(struct folio_owner *owner,
		     const struct folio_owner_ops *ops, const char *name)
{
	int err;

	if (!ops->name || !ops->free || ops->parent)
		return -EINVAL;

	owner->stats = folio_owner_alloc_stats();
	if (!owner->stats)
		return -ENOMEM;

	err = folio_owner_init_live(owner);
	if (err) {
		free_percpu(owner->stats);
		return err;
	}

	owner->ops = ops;
	owner->name = name;
	owner->longest_drain = 0;
	init_completion(&owner->idle);
	init_llist_head(&owner->deferred);
	INIT_WORK(&owner->work, folio_owner_workfn);
	folio_owner_list(owner);
	return 0;
}
EXPORT_SYMBOL_GPL(folio_owner_init);

/**
 * folio_owner_init_part - make an owner that is a part of a bigger one
 * @part: The owner, embedded in an object that comes and goes often.
 * @ops: Its callbacks, with a @parent, which accounts for the folios of @part;
 *	neither free_deferred nor free_batch.
 *
 * There is nothing to undo: @part is over when it has no folios any more.  Its
 * user sees to that, and with ->detach also that its memory stays for an RCU
 * grace period after that.  folio_owner_exit() of the parent waits for the folios
 * of all parts.
 *
 * Context: Any.
 */
void folio_owner_init_part(struct folio_owner *part,
			   const struct folio_owner_ops *ops)
{
	part->ops = ops;
	part->stats = ops->parent->stats;
	part->longest_drain = 0;
}
EXPORT_SYMBOL_GPL(folio_owner_init_part);

/**
 * folio_owner_detach - ask the owner of a folio in flight to let go of it
 * @folio: The folio.
 *
 * Context: The folio is locked and in its mapping.  Atomic.
 * Return: True if the owner ended the writeback of @folio; false if it has no
 * owner that can, or none any more.
 */
bool folio_owner_detach(struct folio *folio)
{
	struct folio_owner *owner;
	bool detached = false;

	/*
	 * The lock keeps the folio from getting an owner, but not from losing
	 * the one it has: RCU keeps that in memory, ->detach looks again under a
	 * lock of its own.
	 */
	rcu_read_lock();
	owner = folio_owner(folio);
	if (owner && owner->ops->detach)
		detached = owner->ops->detach(folio);
	rcu_read_unlock();
	return detached;
}
EXPORT_SYMBOL_IF_KUNIT(folio_owner_detach);

static void folio_owner_sum(struct folio_owner *owner,
			    struct folio_owner_stats *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		struct folio_owner_stats *stats = per_cpu_ptr(owner->stats, cpu);

		sum->live += READ_ONCE(stats->live);
		sum->frees += READ_ONCE(stats->frees);
		sum->batched += READ_ONCE(stats->batched);
		sum->deferred += READ_ONCE(stats->deferred);
		sum->drains += READ_ONCE(stats->drains);
	}
}

/* A folio of @owner, with a reference; NULL if there is none to be had. */
static struct folio *folio_owner_find(struct folio_owner *owner)
{
	struct zone *zone;

	for_each_populated_zone(zone) {
		unsigned long pfn;

		for (pfn = zone->zone_start_pfn; pfn < zone_end_pfn(zone); pfn++) {
			struct page *page = pfn_to_online_page(pfn);
			struct folio *folio;

			cond_resched();
			if (!page || PageTail(page))
				continue;
			folio = page_folio(page);
			if (folio_owner(folio) != owner || !folio_try_get(folio))
				continue;
			if (folio_owner(folio) == owner)
				return folio;
			folio_put(folio);
		}
	}
	return NULL;
}

/**
 * folio_owner_dump - say who owns a folio, for dump_page()
 * @folio: The folio, or a copy of it; nothing about it is trusted.
 *
 * Context: Any.
 */
void folio_owner_dump(const struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);
	const struct folio_owner_ops *ops;
	const char *name;
	char buf[32];

	if (!owner)
		return;
	if (get_kernel_nofault(ops, &owner->ops) ||
	    get_kernel_nofault(name, &ops->name) ||
	    strncpy_from_kernel_nofault(buf, name, sizeof(buf)) < 0)
		pr_warn("owner:%p (invalid)\n", owner);
	else
		pr_warn("owner:%p (%s)\n", owner, buf);
}

/* Who keeps folio_owner_exit() waiting?  page_owner, if on, tells more. */
static void folio_owner_report(struct folio_owner *owner)
{
	struct folio_owner_stats sum;
	struct folio *folio;

	folio_owner_sum(owner, &sum);
	pr_warn("%s%s%s of %s is shut down but still owns %ld folios\n",
		owner->ops->name, owner->name ? " " : "", owner->name ?: "",
		module_name(owner->ops->module), sum.live);

	folio = folio_owner_find(owner);
	if (!folio)
		return;
	dump_page(&folio->page, "keeps its owner from going away");
	folio_put(folio);
}

/**
 * folio_owner_exit - unregister an owner
 * @owner: The owner.
 *
 * No folio can be given to @owner any more; those that it has keep it until
 * they are released.  Returns when the last one was, all callbacks have
 * returned, and nothing refers to @owner: its memory and its module may go.
 * Complains from time to time while that takes.
 *
 * Folios that the owner keeps at count zero must be released before.
 *
 * Context: Process context, sleeps.
 */
void folio_owner_exit(struct folio_owner *owner)
{
	/* Pairs with percpu_ref_tryget_live() in folio_owner_get_many(). */
	percpu_ref_kill(&owner->live);
	while (!wait_for_completion_timeout(&owner->idle,
					    exit_report_secs * HZ ?: MAX_SCHEDULE_TIMEOUT))
		folio_owner_report(owner);

	/*
	 * The callback that released the last folio, or its work item, may not
	 * have returned.  Pairs with rcu_read_lock() in folio_owner_call().
	 */
	synchronize_rcu();
	flush_work(&owner->work);

	mutex_lock(&folio_owners_lock);
	list_del(&owner->list);
	mutex_unlock(&folio_owners_lock);

	percpu_ref_exit(&owner->live);
	free_percpu(owner->stats);
}
EXPORT_SYMBOL_GPL(folio_owner_exit);

static int folio_owner_show(struct seq_file *m, void *unused)
{
	struct folio_owner *owner;

	seq_printf(m, "%-32s %8s %10s %10s %10s %8s %12s\n", "owner", "live",
		   "frees", "batched", "deferred", "drains", "longest(us)");

	mutex_lock(&folio_owners_lock);
	list_for_each_entry(owner, &folio_owners, list) {
		struct folio_owner_stats sum;
		char name[64];

		snprintf(name, sizeof(name), "%s%s%s", owner->ops->name,
			 owner->name ? ":" : "", owner->name ?: "");
		folio_owner_sum(owner, &sum);
		seq_printf(m, "%-32s %8ld %10lu %10lu %10lu %8lu %12llu\n",
			   name, sum.live, sum.frees, sum.batched,
			   sum.deferred, sum.drains,
			   div_u64(READ_ONCE(owner->longest_drain),
				   NSEC_PER_USEC));
	}
	mutex_unlock(&folio_owners_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(folio_owner);

static int __init folio_owner_setup(void)
{
	folio_owner_wq = alloc_workqueue("folio_owner",
					 WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (WARN_ON(!folio_owner_wq))
		folio_owner_wq = system_unbound_wq;
	return 0;
}
core_initcall(folio_owner_setup);

static int __init folio_owner_debugfs(void)
{
	debugfs_create_file("folio_owner", 0444, NULL, NULL, &folio_owner_fops);
	return 0;
}
late_initcall(folio_owner_debugfs);
