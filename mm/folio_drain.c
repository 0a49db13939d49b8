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
 * Another task than W may add the references for W.  A lock of theirs keeps W
 * meanwhile from letting the drain go away, and from raising the count of the
 * drained folio or freeing it.  Whether it did so, W finds out under that lock.
 *
 * folio->private and PG_private are written by W before its drop, by the one
 * who adds after that, and by the callback: only ever by one who holds a
 * reference for sure, or has taken the count to zero.  The right to do so passes
 * with W's drop and with the put that finds zero, which are fully ordered; with
 * the add, which is if it adds; and from the callback, or the other task, to W
 * with the lock of the completion or with theirs.
 *
 * The model is tools/testing/selftests/folio_owner/folio_drain.pml.
 */
#include <linux/folio_drain.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/workqueue.h>
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include "folio_owner.h"

#define CREATE_TRACE_POINTS
#include <trace/events/folio_drain.h>

static void folio_drain_free(struct folio *folio);

static const struct folio_owner_ops folio_drain_ops = {
	.lent	= true,
	.free	= folio_drain_free,
};

/* In the statistics, it stands for folios that have no other owner. */
DEFINE_FOLIO_OWNER_DOMAIN(folio_drain_domain, "drain", NULL);

/* After the folio has been given back to its owner. */
static void folio_drain_account(struct folio_drain *drain, bool drained)
{
	struct folio_owner *owner = folio_owner(drain->folio);
	struct folio_owner_domain *domain = owner ? owner->domain :
						    &folio_drain_domain;
	u64 ns = ktime_to_ns(ktime_sub(ktime_get(), drain->start));

	this_cpu_inc(domain->stats->nr[FOLIO_OWNER_DRAINS]);
	/* Two drains of one domain may race here; it is but a statistic. */
	if (ns > READ_ONCE(domain->longest_drain))
		WRITE_ONCE(domain->longest_drain, ns);
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

/* @drain is gone as soon as it is completed or, if there is work, queued. */
static void folio_drain_complete(struct folio_drain *drain)
{
	struct work_struct *work = drain->work;

	/* Pairs with the wait for done: the waiter sees the folio restored. */
	complete(&drain->done);
	if (work)
		queue_work(system_dfl_wq, work);
}

/* The count is zero. */
static void folio_drain_finish(struct folio_drain *drain)
{
	folio_drain_restore(drain);
	folio_drain_account(drain, true);
	folio_drain_complete(drain);
}

static void folio_drain_free(struct folio *folio)
{
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
	/* Lookups do not find ZONE_DEVICE folios: a DAX entry is no folio. */
	if (!folio_is_zone_device(folio) && folio_mapping(folio))
		return false;
	if (owner)
		return !owner->ops->lent;
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
 * cache or the swap cache, has private data, is under writeback, is KSM's, or
 * is being drained; -EINVAL if it has not got @refs references or is not
 * locked.  On error nothing has changed.
 */
int folio_drain_start(struct folio_drain *drain, struct folio *folio,
		      unsigned int refs)
{
	return folio_drain_start_work(drain, folio, refs, NULL);
}
EXPORT_SYMBOL_GPL(folio_drain_start);

/**
 * folio_drain_start_work - give up references, and have work done at zero
 * @drain: The drain, not on a stack.
 * @folio: The folio.
 * @refs: How many references the caller gives up.
 * @work: Queued on system_dfl_wq when the drain is done or was cancelled by
 *	folio_drain_try_cancel(); may be at once.
 *
 * As folio_drain_start(), with nobody to sleep: folio_drain_wait(), called by
 * @work before the count is raised, returns at once and tells which of the two
 * it was.  Not for folio_drain_cancel().  The queue has no rescuer: no memory
 * allocation may depend on the drained folio.
 *
 * Context: Any but NMI, with the folio locked.
 * Return: As folio_drain_start(); on error @work is not queued.
 */
int folio_drain_start_work(struct folio_drain *drain, struct folio *folio,
			   unsigned int refs, struct work_struct *work)
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
	drain->owner.domain = &folio_drain_domain;
	drain->folio = folio;
	drain->refs = refs;
	drain->cancelled = false;
	drain->work = work;
	drain->start = ktime_get();
	init_completion(&drain->done);
	trace_folio_drain_start(folio, refs);

	/* Fast path: nobody else, and no owner needed. */
	if (folio_ref_freeze(folio, refs)) {
		folio_drain_account(drain, true);
		folio_drain_complete(drain);
		return 0;
	}

	drain->saved_private = folio->private;
	drain->saved_owned = folio_test_private(folio);
	__folio_owner_install(folio, &drain->owner);
	if (folio_drain_give_up(folio, refs))
		folio_drain_finish(drain);
	return 0;
}
EXPORT_SYMBOL_GPL(folio_drain_start_work);

/**
 * folio_drain_wait - wait for the foreign references to go
 * @drain: The drain, started.
 * @state: TASK_UNINTERRUPTIBLE, TASK_INTERRUPTIBLE or TASK_KILLABLE.
 * @timeout: In jiffies; MAX_SCHEDULE_TIMEOUT for no limit.
 *
 * On -ETIMEDOUT and -ERESTARTSYS the drain goes on: wait again, or call
 * folio_drain_cancel(), or folio_drain_try_cancel() if others may.  After any
 * other result it is over: do neither.
 *
 * Wait without a limit only if no holder of a reference can sleep on the folio
 * lock that the caller holds: it would keep its reference until that is
 * released.  Lookups that lock what they find do so, and some who unpin.
 *
 * Context: Process context, sleeps.
 * Return: 0 if the folio is frozen at count zero, with ->private as it was
 * before; -ETIMEDOUT; -ERESTARTSYS if a signal came; -ECANCELED if another task
 * cancelled: the folio and the references are as before folio_drain_start();
 * -EINVAL if @state is none of the above.
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
	if (drain->cancelled)
		return -ECANCELED;
	/* Pairs with folio_drain_take_back(), called by another task. */
	WRITE_ONCE(drain->folio, NULL);
	return 0;
}
EXPORT_SYMBOL_GPL(folio_drain_wait);

static bool folio_drain_take_back(struct folio_drain *drain)
{
	/* NULL: the waiter, another task, has seen that it is done. */
	struct folio *folio = READ_ONCE(drain->folio);

	/*
	 * Pairs with the put that takes the count to zero: whichever comes
	 * first decides.  Fully ordered if it adds.
	 */
	if (!folio || !folio_ref_add_unless(folio, drain->refs, 0))
		return false;
	folio_drain_restore(drain);
	folio_drain_account(drain, false);
	return true;
}

/**
 * folio_drain_cancel - take the references back
 * @drain: A drain that was started, and for which folio_drain_wait() did not
 *	return 0.  Nobody else may cancel it, and no work wait for it.
 *
 * Context: Process context.  Sleeps for no longer than the last put takes to
 * finish.
 * Return: True if the caller has its references again and the folio is as it
 * was before folio_drain_start().  False if the last foreign reference went
 * first: the folio is frozen at count zero, as if the wait had succeeded.
 */
bool folio_drain_cancel(struct folio_drain *drain)
{
	bool cancelled;

	if (WARN_ONCE(!drain->folio, "folio_drain: cancelled when done\n"))
		return false;

	cancelled = folio_drain_take_back(drain);
	/* If not, the callback only has a few instructions left. */
	if (!cancelled)
		wait_for_completion(&drain->done);
	drain->folio = NULL;
	return cancelled;
}
EXPORT_SYMBOL_GPL(folio_drain_cancel);

/**
 * folio_drain_try_cancel - give the waiter its references back
 * @drain: A drain that was started.
 *
 * For those who need the folio and cannot wait until it is drained, and then
 * also for the waiter when it gives up.  Ends the wait with -ECANCELED, or queues
 * the work.
 *
 * A lock must be held that covers the start of the drain, if @drain can be found
 * since then, and that the waiter takes before it raises the count of the
 * drained folio or frees it, and before @drain goes away.
 *
 * Context: Any but NMI.
 * Return: True if the references are back, now or since an earlier call, and the
 * folio is as it was before folio_drain_start().  False if the last foreign
 * reference has gone, in which case the waiter will hear of that.
 */
bool folio_drain_try_cancel(struct folio_drain *drain)
{
	if (drain->cancelled)
		return true;
	if (!folio_drain_take_back(drain))
		return false;
	/* Pairs with the wait for done. */
	drain->cancelled = true;
	folio_drain_complete(drain);
	return true;
}
EXPORT_SYMBOL_GPL(folio_drain_try_cancel);

static int __init folio_drain_setup(void)
{
	folio_owner_register(&folio_drain_domain);
	return 0;
}
core_initcall(folio_drain_setup);
