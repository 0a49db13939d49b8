/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_FOLIO_DRAIN_H
#define _LINUX_FOLIO_DRAIN_H

/*
 * Wait until nobody else holds a reference to a folio.
 *
 * To wait for "the count is what I expect" takes a hook in every put.  To wait
 * for zero takes none: the folio's owner hears of it.  So a drain gives away
 * the references that the waiter can account for, becomes the owner of the
 * folio for a while, and waits for the last put.  The waiter ends with what
 * folio_ref_freeze() gives, a folio at count zero, however long the foreign
 * references took to go.
 *
 *	struct folio_drain drain;
 *	int err;
 *
 *	folio_lock(folio);
 *	... unmap the folio, take it out of its mapping ...
 *	err = folio_drain_start(&drain, folio, refs);
 *	if (err)
 *		... -EBUSY: cannot be drained, nothing has changed ...
 *	err = folio_drain_wait(&drain, TASK_KILLABLE, 10 * HZ);
 *	if (err && folio_drain_cancel(&drain))
 *		... given up: the folio and the references are as before ...
 *	... the folio is frozen; folio_ref_unfreeze() when done with it ...
 *	folio_unlock(folio);
 *
 * This does *not* stop new references: who still finds the folio delays the
 * drain, and who then sleeps on the folio lock does so until the waiter gives
 * up.  It is for the caller to close the source first, and to set a limit if it
 * cannot.
 */

#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/folio_owner_types.h>
#include <linux/ktime.h>

struct folio;
struct work_struct;

/**
 * struct folio_drain - a wait for the last reference to a folio
 * @owner: a drain is an owner, for a while
 * @folio: the folio; NULL once the drain is done
 * @saved_private: what was in folio->private
 * @saved_owned: whether PG_private was set, that is, there was an owner before
 * @refs: the references that the waiter gave up
 * @cancelled: another task gave the references back to the waiter
 * @start: when
 * @done: completed when the count has reached zero, or the drain was cancelled
 * @work: queued then, if there is no task that waits
 *
 * May be on the stack of the task that waits.  All members are private to
 * mm/folio_drain.c.
 */
struct folio_drain {
	struct folio_owner owner;
	struct folio *folio;
	void *saved_private;
	bool saved_owned;
	unsigned int refs;
	bool cancelled;
	ktime_t start;
	struct completion done;
	struct work_struct *work;
};

#ifdef CONFIG_FOLIO_OWNER

int folio_drain_start(struct folio_drain *drain, struct folio *folio,
		      unsigned int refs);
int folio_drain_start_work(struct folio_drain *drain, struct folio *folio,
			   unsigned int refs, struct work_struct *work);
int folio_drain_wait(struct folio_drain *drain, unsigned int state,
		     unsigned long timeout);
bool folio_drain_cancel(struct folio_drain *drain);
bool folio_drain_try_cancel(struct folio_drain *drain);

#else /* !CONFIG_FOLIO_OWNER */

static inline int folio_drain_start(struct folio_drain *drain,
				    struct folio *folio, unsigned int refs)
{
	return -EBUSY;
}

static inline int folio_drain_start_work(struct folio_drain *drain,
					 struct folio *folio,
					 unsigned int refs,
					 struct work_struct *work)
{
	return -EBUSY;
}

static inline int folio_drain_wait(struct folio_drain *drain,
				   unsigned int state, unsigned long timeout)
{
	return 0;
}

static inline bool folio_drain_cancel(struct folio_drain *drain)
{
	return true;
}

static inline bool folio_drain_try_cancel(struct folio_drain *drain)
{
	return true;
}

#endif /* CONFIG_FOLIO_OWNER */

#endif /* _LINUX_FOLIO_DRAIN_H */
