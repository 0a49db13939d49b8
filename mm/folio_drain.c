// SPDX-License-Identifier: GPL-2.0
/*
 * Wait for the last foreign reference to a folio
 *
 * The protocol, between the waiter W, which starts and may cancel, and P, who
 * drops the last foreign reference:
 *
 *	W: install the drain		P: drop a reference
 *	W: drop W's references		P: at zero: restore, complete done
 *	W: wait for done
 *
 *	cancel:
 *	W: add the references unless the count is zero
 *	   added:  the callback has not run and cannot run: restore
 *	   zero:   the callback runs or has run: wait for done
 *
 * Each change of the count is one atomic operation and they are totally
 * ordered, so exactly one of three takes the count to zero, or keeps it from
 * getting there: W's drop, P's drop, or W's add.  The one who takes it to zero
 * runs the callback, once, as nobody can raise the count from there.
 *
 * folio->private and PG_private are written by W before its drop and after its
 * add, and by the callback: only ever by one who holds a reference for sure, or
 * has taken the count to zero.  The right to do so passes with W's drop and
 * with the put that finds zero, which are fully ordered; with the add, which is
 * if it adds; and from the callback to W with the lock of the completion.
 *
 * The model is tools/testing/selftests/folio_owner/folio_drain.pml.
 */
#include <linux/folio_drain.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include "folio_owner.h"

#define CREATE_TRACE_POINTS
#include <trace/events/folio_drain.h>

static void folio_drain_free(struct folio *folio);

static const struct folio_owner_ops folio_drain_ops = {
	.name	= "drain",
	.module	= THIS_MODULE,
	.free	= folio_drain_free,
};

static DEFINE_PER_CPU(struct folio_owner_stats, folio_drain_stats);

/* Stands for the owner of folios that have none, in the statistics. */
static struct folio_owner folio_drain_nobody = {
	.ops	= &folio_drain_ops,
	.stats	= &folio_drain_stats,
};

/* The owner that the folio has when it is not being drained. */
static struct folio_owner *folio_drain_for(struct folio *folio)
{
	return folio_owner(folio) ?: &folio_drain_nobody;
}

static void folio_drain_account(struct folio_drain *drain, bool drained)
{
	struct folio_owner *owner = folio_drain_for(drain->folio);
	u64 ns = ktime_to_ns(ktime_sub(ktime_get(), drain->start));

	this_cpu_inc(owner->stats->drains);
	/* Two drains of one owner may race here; it is but a statistic. */
	if (ns > READ_ONCE(owner->longest_drain))
		WRITE_ONCE(owner->longest_drain, ns);
	trace_folio_drain_end(drain->folio, drain->refs, ns, drained);
}

static void folio_drain_restore(struct folio_drain *drain)
{
	struct folio *folio = drain->folio;

	/* The flag goes first, for the reason given at __folio_owner_install(). */
	if (!drain->saved_owned)
		folio_clear_private(folio);
	WRITE_ONCE(folio->private, drain->saved_private);
}

/* The count is zero.  @drain is gone as soon as it is completed. */
static void folio_drain_finish(struct folio_drain *drain)
{
	folio_drain_restore(drain);
	folio_drain_account(drain, true);
	/* Pairs with the wait for done: the waiter sees the folio restored. */
	complete(&drain->done);
}

static void folio_drain_free(struct folio *folio)
{
	folio_owner_keep(folio);
	folio_drain_finish(container_of(folio_owner(folio), struct folio_drain,
					owner));
}

/*
 * At zero the folio is out of reach until the waiter wakes up: nobody may spin
 * on that, as lookups in the page cache and the swap cache do, or take it for
 * freed, as KSM does.  And nobody else may look at folio->private, as the end
 * of writeback does.
 */
static bool folio_can_drain(struct folio *folio)
{
	struct folio_owner *owner = folio_owner(folio);

	if (folio_test_writeback(folio) || folio_test_ksm(folio))
		return false;
	if (folio_is_zone_device(folio)) {
		/* Idle at one: the last put does not reach an owner. */
		if (folio->page.pgmap->type == MEMORY_DEVICE_FS_DAX)
			return false;
	} else if (folio_mapping(folio)) {
		return false;
	}
	if (owner)
		return owner->ops != &folio_drain_ops;
	return !folio_has_private(folio) && !folio->private;
}

/*
 * Fully ordered: who takes the count to zero sees the drain.  Pairs with the
 * atomic of that put: in folio_put_testzero(), or in folio_ref_sub_and_test()
 * of those who put several references.
 */
VISIBLE_IF_KUNIT bool folio_drain_give_up(struct folio *folio, unsigned int refs)
{
	KUNIT_STATIC_STUB_REDIRECT(folio_drain_give_up, folio, refs);

	return folio_ref_sub_and_test(folio, refs);
}
EXPORT_SYMBOL_IF_KUNIT(folio_drain_give_up);

/**
 * folio_drain_start - give up references and wait for the others to go
 * @drain: The drain, to be used with folio_drain_wait().
 * @folio: The folio.
 * @refs: How many references the caller gives up, all of which it can account
 *	for.
 *
 * The caller has stopped new references at their source, and keeps the folio
 * locked until the drain is done or cancelled: the lock keeps everybody else
 * from giving the folio private data or freezing its count.  For a ZONE_DEVICE
 * folio, a lock that does the same takes its place.
 *
 * Without foreign references the folio is frozen on return, and
 * folio_drain_wait() returns at once.
 *
 * Context: Any but NMI, with the folio locked.
 * Return: 0: call folio_drain_wait() next.  -EBUSY if the folio is in the page
 * cache or the swap cache, has private data, is under writeback, is KSM's or
 * fsdax's, or is being drained; -EINVAL if it has not got @refs references or
 * is not locked.  On error nothing has changed.
 */
int folio_drain_start(struct folio_drain *drain, struct folio *folio,
		      unsigned int refs)
{
	if (WARN_ONCE(!refs || refs > folio_ref_count(folio) ||
		      !(folio_test_locked(folio) || folio_is_zone_device(folio)),
		      "folio_drain: %u references of %d given up, %slocked\n",
		      refs, folio_ref_count(folio),
		      folio_test_locked(folio) ? "" : "not "))
		return -EINVAL;
	if (!folio_can_drain(folio))
		return -EBUSY;

	drain->owner.ops = &folio_drain_ops;
	drain->owner.stats = &folio_drain_stats;
	drain->folio = folio;
	drain->refs = refs;
	drain->start = ktime_get();
	init_completion(&drain->done);
	trace_folio_drain_start(folio, refs);

	/* Fast path: nobody else, and no owner needed. */
	if (folio_ref_freeze(folio, refs)) {
		folio_drain_account(drain, true);
		complete(&drain->done);
		return 0;
	}

	drain->saved_private = folio->private;
	drain->saved_owned = folio_test_private(folio);
	__folio_owner_install(folio, &drain->owner);
	if (folio_drain_give_up(folio, refs))
		folio_drain_finish(drain);
	return 0;
}
EXPORT_SYMBOL_GPL(folio_drain_start);

/**
 * folio_drain_wait - wait for the foreign references to go
 * @drain: The drain, started.
 * @state: TASK_UNINTERRUPTIBLE, TASK_INTERRUPTIBLE or TASK_KILLABLE.
 * @timeout: In jiffies; MAX_SCHEDULE_TIMEOUT for no limit.
 *
 * On error the drain goes on: wait again, or call folio_drain_cancel().
 *
 * Wait without a limit only if no holder of a reference can sleep on the folio
 * lock that the caller holds: it would keep its reference until that is
 * released.  Lookups that lock what they find do so, and some who unpin.
 *
 * Context: Process context, sleeps.
 * Return: 0 if the folio is frozen at count zero, with ->private as it was
 * before; -ETIMEDOUT; -ERESTARTSYS if a signal came; -EINVAL if @state is none
 * of the above.
 */
int folio_drain_wait(struct folio_drain *drain, unsigned int state,
		     unsigned long timeout)
{
	long left;

	if (WARN_ONCE(!drain->folio, "folio_drain: waited for twice\n"))
		return 0;

	switch (state) {
	case TASK_UNINTERRUPTIBLE:
		left = wait_for_completion_timeout(&drain->done, timeout);
		break;
	case TASK_INTERRUPTIBLE:
		left = wait_for_completion_interruptible_timeout(&drain->done,
								 timeout);
		break;
	case TASK_KILLABLE:
		left = wait_for_completion_killable_timeout(&drain->done,
							    timeout);
		break;
	default:
		return -EINVAL;
	}

	if (left <= 0)
		return left ?: -ETIMEDOUT;
	drain->folio = NULL;
	return 0;
}
EXPORT_SYMBOL_GPL(folio_drain_wait);

/**
 * folio_drain_cancel - take the references back
 * @drain: A drain that was started, and for which folio_drain_wait() did not
 *	return 0.
 *
 * Context: Process context.  Sleeps for no longer than the last put takes to
 * finish.
 * Return: True if the caller has its references again and the folio is as it
 * was before folio_drain_start().  False if the last foreign reference went
 * first: the folio is frozen at count zero, as if the wait had succeeded.
 */
bool folio_drain_cancel(struct folio_drain *drain)
{
	struct folio *folio = drain->folio;

	if (WARN_ONCE(!folio, "folio_drain: cancelled when done\n"))
		return false;

	/*
	 * Pairs with the put that takes the count to zero: whichever comes
	 * first decides.  Fully ordered if it adds.
	 */
	if (folio_ref_add_unless(folio, drain->refs, 0)) {
		folio_drain_restore(drain);
		folio_drain_account(drain, false);
		drain->folio = NULL;
		return true;
	}

	/* The callback only has a few instructions left. */
	wait_for_completion(&drain->done);
	drain->folio = NULL;
	return false;
}
EXPORT_SYMBOL_GPL(folio_drain_cancel);

static int __init folio_drain_setup(void)
{
	folio_owner_list(&folio_drain_nobody);
	return 0;
}
core_initcall(folio_drain_setup);
