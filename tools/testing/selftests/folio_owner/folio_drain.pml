/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of mm/folio_drain.c, and of what it uses of mm/folio_owner.c
 *
 * The waiter W drains a folio twice, with drains in the same place on its
 * stack, and each time waits, or gives up at any moment.  P1 and P2 have a
 * foreign reference each and drop it at any time, P2 in a batch.  S looks the
 * folio up and drops it again, twice.  At the end W drops its own references.
 *
 * With TRY_CANCEL the drain is in a list, under a lock that the callback does
 * not take.  F finds it there, twice at any time, and gives W its references
 * back; so does W, rather than folio_drain_cancel(), if it gives up.  With WORK
 * no task waits: W goes on to its next drain when K, the work, has ended one.
 *
 *	spin -a [-D...] folio_drain.pml && cc -O2 -DSAFETY pan.c -o pan && ./pan
 *
 * says "errors: 0" for the variants and "errors: 1" for what must fail; the
 * exit status of pan is 0 for both.
 *
 * variants: "", "-DSAVED_OWNED"
 * variants: "-DTRY_CANCEL", "-DTRY_CANCEL -DSAVED_OWNED"
 * variants: "-DWORK", "-DWORK -DSAVED_OWNED"
 * must fail: "-DMUTATE_INSTALL_LATE", "-DMUTATE_CANCEL_BLIND"
 * must fail: "-DMUTATE_RESTORE_AFTER_COMPLETE", "-DMUTATE_CANCEL_NO_WAIT"
 * must fail: "-DSAVED_OWNED -DMUTATE_RUN_NO_RECHECK"
 * must fail: "-DMUTATE_WORK_READ_LATE"
 * must fail: "-DTRY_CANCEL -DMUTATE_CANCEL_BLIND"
 * must fail: "-DTRY_CANCEL -DMUTATE_TRY_NO_LOCK"
 * must fail: "-DTRY_CANCEL -DMUTATE_TRY_AGAIN"
 * must fail: "-DTRY_CANCEL -DMUTATE_RAISE_NO_LOCK"
 * must fail: "-DTRY_CANCEL -DMUTATE_END_NO_LOCK"
 * must fail: "-DTRY_CANCEL -DMUTATE_TRY_RESTORE_LATE"
 * must fail: "-DTRY_CANCEL -DMUTATE_TELL_LATE"
 * must fail: "-DTRY_CANCEL -DMUTATE_FOLIO_STAYS"
 * must fail: "-DTRY_CANCEL -DMUTATE_CANCEL_SHARED"
 * must fail: "-DWORK -DMUTATE_TRY_NO_LOCK", "-DWORK -DMUTATE_RAISE_NO_LOCK"
 * must fail: "-DWORK -DMUTATE_QUEUE_FIRST", "-DWORK -DMUTATE_LIST_NO_LOCK"
 *
 * What is proven, with and without an owner before the drain:
 * - a drain ends drained and was completed once, or cancelled and was not, but
 *   for folio_drain_try_cancel(), which completes it once, too;
 * - drained: the count is zero and stays so.  Cancelled: W has its references.
 *   After either, word and flag are as before, and no reference is lost;
 * - nobody looks at a drain after the wait or the cancel has returned, or if it
 *   is in a list, after it was taken from there;
 * - work is queued once for each drain, and then need not wait;
 * - each zero is dealt with once: during a drain by the drain, otherwise by the
 *   previous owner, or by the ordinary path if there is none;
 * - no deadlock, and as nobody loops, all waits end: that of the cancel always,
 *   the others if no holder of a reference waits for the folio lock of W;
 * - no two are at word and flag at the same time ("busy").
 *
 * The last is why sequential consistency, all that spin knows, is enough.  The
 * right to word and flag is handed on by atomics on the count that return a
 * value and succeed: fully ordered; by the lock in the completion, from the
 * callback or F to W; by the lock of the list, from F to W if it gives up; by
 * the store-release of folio_ref_unfreeze().  Atomics without
 * a value, as in folio_get(), do not break that order.  A freeze or an add that
 * fails is not ordered, and hands on nothing.  Only the lookahead of a batch
 * has no right to look.  It may see what is old: it is a guess here, not a read.
 *
 * Each statement or d_step is one step.  What is called a ghost is not in C.
 */
#define REFS	2		/* what W gives up */

#ifdef WORK
#define TRY_CANCEL
#endif

mtype = { NONE, OWNER, DRAIN };
#ifdef SAVED_OWNED
#define WORD	OWNER
#define FLAG	true
#else
#define WORD	NONE
#define FLAG	false
#endif

/* struct folio */
byte count = REFS + 2;		/* _refcount */
bool flag = FLAG;		/* PG_private */
mtype word = WORD;		/* private */

byte own = REFS, foreign = 2;	/* ghosts: references of W, and of the others */
bool zero;			/* ghost: at zero, and not dealt with yet */
bool busy;			/* ghost: somebody is at word and flag */
byte freed;			/* ghost: zeros dealt with outside of a drain */

/* struct folio_drain */
mtype saved_private;
bool saved_owned;
bool folio;			/* not NULL */
bool cancelled;
byte done;
byte queued;			/* the work is pending */
bool alive;			/* ghost: it was started and has not ended */
byte serial;			/* ghost: which of W's drains it is */
byte completed;			/* ghost: how often it was completed */
byte works;			/* ghost: how often the work was queued */

/* What W and F share, as struct dax_drain */
bool locked;
bool listed;			/* the drain can be found */

/* Each process has these; @id is the drain that it means. */
#define locals()	bool last, got, owned; mtype owner; byte id
#define touch()		assert(alive && id == serial)
#define enter()		assert(!busy); busy = true
#define leave()		busy = false
#define lock()		d_step { !locked -> locked = true }
#define unlock()	locked = false
/* One step: its lock is held from the first access to the last. */
#define complete()	d_step { touch(); done++; completed++ }
#define queue_work()	d_step { assert(queued == 0); queued++; works++ }
#define wait_for_completion()	d_step { done > 0 -> done-- }
#define folio_ref_unfreeze()	d_step { assert(count + foreign == 0); count = REFS; own = REFS }

/* folio_ref_sub_and_test(), folio_put_testzero() */
inline sub_and_test(refs, whose)
{
	d_step {
		assert(whose >= refs && count == own + foreign && !zero);
		count = count - refs; whose = whose - refs;
		last = (count == 0); zero = last
	}
}

/* folio_ref_add_unless(folio, refs, 0), folio_try_get() */
inline add_unless_zero(refs, whose)
{
	d_step {
		got = (count != 0);
		count = count + (got -> refs : 0); whose = whose + (got -> refs : 0)
	}
}

inline folio_drain_restore()
{
	d_step { touch(); enter(); flag = flag && saved_owned }
	d_step { touch(); word = saved_private; leave() }
}

/* The work is not looked at, nor is the drain, between the two steps. */
inline folio_drain_complete()
{
#ifdef MUTATE_QUEUE_FIRST
	queue_work();
	complete()
#else
	complete();
#ifdef MUTATE_WORK_READ_LATE
	touch()
#endif
#ifdef WORK
	queue_work()
#endif
#endif
}

inline folio_drain_finish()
{
	d_step { touch(); assert(zero && count == 0); zero = false }
#ifdef MUTATE_RESTORE_AFTER_COMPLETE
	folio_drain_complete();
	folio_drain_restore()
#else
	folio_drain_restore();
	touch();				/* folio_drain_account() */
	folio_drain_complete()
#endif
}

/* The callback of the previous owner, or without one the ordinary path. */
inline free(how)
{
	d_step {
		assert(!alive && zero && count == 0);
		assert(how == WORD && word == WORD && flag == FLAG);
		zero = false;
		freed++
	}
}

inline folio_owner()
{
	d_step { enter(); owner = word; id = serial }
	d_step { owned = flag; leave() }
}

/* Also folio_owner_free_run(), for the first of a run. */
inline __folio_put()
{
	folio_owner();				/* folio_owner_wants() */
	if
	:: !owned -> free(NONE)
	:: owned && owner == OWNER -> free(OWNER)
	:: owned && owner == DRAIN -> folio_drain_finish()
	:: owned && owner == NONE -> assert(false)	/* folio_owner_corrupt() */
	fi
}

inline folio_put(refs, whose)
{
	sub_and_test(refs, whose);
	if :: last -> __folio_put() :: else fi
}

inline folio_drain_start()
{
	d_step {
		assert(!alive && queued == 0);
		alive = true; serial++; id = serial; folio = true;
		cancelled = false; done = 0; completed = 0; works = 0
	}
	d_step {				/* folio_ref_freeze() */
		got = (count == REFS);
		count = (got -> 0 : count); own = (got -> 0 : own)
	}
	if
	:: got -> folio_drain_complete()
	:: else ->
		d_step { enter(); saved_private = word }
		d_step { saved_owned = flag; leave() }
#ifdef MUTATE_INSTALL_LATE
		sub_and_test(REFS, own);
#endif
		d_step { enter(); word = DRAIN }	/* __folio_owner_install() */
		d_step { flag = true; leave() }
#ifndef MUTATE_INSTALL_LATE
		sub_and_test(REFS, own);		/* folio_drain_give_up() */
#endif
		if :: last -> folio_drain_finish() :: else fi
	fi
}

inline folio_drain_take_back()
{
#ifdef MUTATE_CANCEL_BLIND
	d_step { got = true; count = count + REFS; own = own + REFS }
#else
	d_step { touch(); got = folio };
	if :: got -> add_unless_zero(REFS, own) :: else fi;
#endif
#ifndef MUTATE_TRY_RESTORE_LATE
	if
	:: got -> folio_drain_restore(); touch()	/* folio_drain_account() */
	:: else
	fi
#endif
}

inline folio_drain_cancel()
{
	folio_drain_take_back();
#ifndef MUTATE_CANCEL_NO_WAIT
	if :: !got -> wait_for_completion() :: else fi;
#endif
	folio = false
}

/* Under the lock. */
inline folio_drain_try_cancel()
{
	d_step { touch(); got = cancelled }
#ifdef MUTATE_TRY_AGAIN
	got = false;
#endif
	if
	:: got
	:: else ->
		folio_drain_take_back();
		if
		:: got ->
#ifdef MUTATE_TELL_LATE
			folio_drain_complete();
			d_step { touch(); cancelled = true }
#else
			d_step { touch(); cancelled = true };
			folio_drain_complete()
#endif
#ifdef MUTATE_TRY_RESTORE_LATE
			;
			folio_drain_restore()
#endif
		:: else
		fi
	fi
}

/* To its end; -ECANCELED if @got. */
inline folio_drain_wait()
{
	wait_for_completion();
	d_step { touch(); got = cancelled }
	if
#ifdef MUTATE_FOLIO_STAYS
	:: true
#else
	:: got
	:: else -> folio = false
#endif
	fi
}

/* What W, or K, knows when it is told the end of a drain. */
inline ended(times)
{
	d_step {
		assert(!busy && !zero && word == WORD && flag == FLAG);
		assert(completed == times && own == (got -> REFS : 0) && count == own + foreign)
	}
}

#ifdef TRY_CANCEL
inline give_up()
{
	lock();
	folio_drain_try_cancel();
	unlock();
	if :: got :: else -> folio_drain_wait(); assert(!got) fi
}

/* The wait for a drain, and its end: two lock sections, or one as in fs/dax.c */
inline finish()
{
	if
#ifdef WORK
	:: true -> assert(done == 1); folio_drain_wait()
#else
	:: true -> folio_drain_wait()		/* for as long as it takes */
#ifdef MUTATE_CANCEL_SHARED
	:: true -> folio_drain_cancel()
#else
	:: true -> give_up()			/* timed out, or killed */
#endif
#endif
	fi;
	ended(1);
	if
	:: got
	:: else ->
#ifdef MUTATE_RAISE_NO_LOCK
		folio_ref_unfreeze()
#else
		lock();
		folio_ref_unfreeze();
		unlock()
#endif
	fi;
#ifdef MUTATE_END_NO_LOCK
	listed = false;
#else
	lock();
	listed = false;
	unlock();
#endif
	d_step {
		assert(own == REFS && completed == 1 && queued == 0);
#ifdef WORK
		assert(works == 1);
#endif
		alive = false
	}
}
#else
inline finish()
{
	if						/* folio_drain_wait() */
	:: true -> folio_drain_wait(); assert(!got)	/* for as long as it takes */
	:: true -> folio_drain_cancel()			/* timed out, or killed */
	fi;
	ended((got -> 0 : 1));
	d_step { assert(done == 0); alive = false }
	if :: got :: else -> folio_ref_unfreeze() fi
}
#endif

/* In the list before the lock is dropped: work may end the drain at once. */
inline start()
{
#ifndef TRY_CANCEL
	folio_drain_start()
#else
#ifndef MUTATE_LIST_NO_LOCK
	lock();
#endif
	folio_drain_start();
	d_step { touch(); listed = true }
#ifndef MUTATE_LIST_NO_LOCK
	unlock()
#endif
#endif
}

proctype W()
{
	locals();
	do
	:: serial < 2 ->
		start();
#ifdef WORK
		!alive
#else
		finish()
#endif
	:: else -> break
	od;
	folio_put(REFS, own)
}

#ifdef WORK
proctype K()
{
	locals(); byte i;
	for (i : 1 .. 2) {
		d_step { queued > 0 -> queued--; id = serial }
		finish()
	}
}
#endif

#ifdef TRY_CANCEL
proctype F()
{
	locals(); byte i;
	for (i : 1 .. 2) {
#ifndef MUTATE_TRY_NO_LOCK
		lock();
#endif
		if
		:: d_step { listed -> id = serial };
			folio_drain_try_cancel()
		:: else
		fi;
#ifndef MUTATE_TRY_NO_LOCK
		unlock()
#endif
	}
}
#endif

proctype P1() { locals(); folio_put(1, foreign) }

/* Comes second in a batch: folio_owner_free_run() deals with the first. */
proctype P2()
{
	locals();
	if
	:: true -> folio_put(1, foreign)	/* seems to have another owner */
	:: true -> sub_and_test(1, foreign);	/* seems to have the same */
		if
		:: !last
#ifdef MUTATE_RUN_NO_RECHECK
		:: last -> free(OWNER)
#else
		:: last -> folio_owner();
			if :: owned && owner == OWNER -> free(OWNER) :: else -> __folio_put() fi
#endif
		fi
	fi
}

proctype S()
{
	locals(); byte i;
	for (i : 1 .. 2) {
		add_unless_zero(1, foreign);
		if :: got -> folio_put(1, foreign) :: else fi
	}
}

init {
	atomic {
		run W(); run P1(); run P2(); run S();
#ifdef TRY_CANCEL
		run F();
#endif
#ifdef WORK
		run K();
#endif
	}
	_nr_pr == 1;
	assert(!locked && queued == 0);
	assert(freed == 1 && count == 0 && own == 0 && foreign == 0 && !zero && !busy)
}
