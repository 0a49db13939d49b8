/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of a domain of mm/folio_owner.c in a module, from its folios to its end
 *
 * Each P has a reference to a folio that the module owns, and drops it at any
 * time.  The callback gives the folio up, or defers it to K, the work of the
 * domain.  S gives a folio to the module, if it can, and drops it.  M unloads the
 * module as soon as that is possible, or never.
 *
 *	spin -a [-D...] folio_owner.pml && cc -O2 -DSAFETY pan.c -o pan && ./pan
 *
 * variants: ""
 * must fail: "-DMUTATE_NO_SYNCHRONIZE", "-DMUTATE_NO_FLUSH"
 * must fail: "-DMUTATE_NO_READ_LOCK", "-DMUTATE_NO_MODULE_REF"
 * must fail: "-DMUTATE_QUEUE_FIRST", "-DMUTATE_QUEUE_IF_NOT_EMPTY"
 *
 * What is proven:
 * - no text of the module runs, and nobody looks at the domain, after
 *   folio_owner_unregister() has returned;
 * - each folio is given up once, and none stays on the list;
 * - no deadlock.
 *
 * Each statement or d_step is one step.  Memory order is that of the atomics:
 * try_module_get() and module_put(), llist_add() and llist_del_all(), queue_work(),
 * and of RCU.
 */
#define FOLIOS	3		/* two of P, and that of S */

#ifdef MUTATE_NO_MODULE_REF
byte refs;
#else
byte refs = 2;			/* of the module: one for each folio */
#endif
bool going;			/* try_stop_module() found none */
bool gone;			/* text and domain are freed */
byte reading;			/* callbacks under rcu_read_lock() */
byte list;			/* domain->deferred */
bool pending, running;		/* domain->work */
byte freed;

inline touch() { assert(!gone) }

/* folio_owner_clear(), called by text of the module */
inline clear()
{
	touch();		/* the account of the domain */
	freed++;
#ifndef MUTATE_NO_MODULE_REF
	refs--			/* module_put() */
#endif
}

inline queue_work() { touch(); pending = true }

/* folio_owner_defer() */
inline defer()
{
	touch();
#ifdef MUTATE_QUEUE_FIRST
	if :: list == 0 -> queue_work() :: else fi;
	list++
#else
	/* llist_add() says whether the list was empty */
	d_step { first = (list == 0); list++ };
#ifdef MUTATE_QUEUE_IF_NOT_EMPTY
	first = !first;
#endif
	if :: first -> queue_work() :: else fi
#endif
}

/* __folio_owner_free() */
inline free()
{
#ifndef MUTATE_NO_READ_LOCK
	reading++;
#endif
	if
	:: true -> touch(); clear(); touch()	/* on its way out */
	:: true -> defer()
	fi;
#ifndef MUTATE_NO_READ_LOCK
	reading--
#endif
}

proctype P()
{
	bool first;
	free()
}

/* folio_owner_set(), of a caller that nothing keeps from being late */
proctype S()
{
	bool first, got;
	d_step {
		got = !going;
#ifndef MUTATE_NO_MODULE_REF
		refs = refs + got
#endif
	};
	if
	:: got -> free()
	:: else -> freed++
	fi
}

/* folio_owner_workfn() */
proctype K()
{
	byte nr;
end:	do
	:: d_step { pending -> pending = false; running = true };
		touch();
		d_step { nr = list; list = 0 };	/* llist_del_all() */
		do
		:: nr > 0 -> touch(); clear(); nr--
		:: else -> break
		od;
		touch();		/* free_deferred() returns */
		running = false
	od
}

/* delete_module(2), and the exit of the module */
proctype M()
{
	if
	:: d_step { refs == 0 -> going = true }
#ifndef MUTATE_NO_SYNCHRONIZE
		reading == 0;		/* synchronize_rcu() */
#endif
#ifndef MUTATE_NO_FLUSH
		!pending && !running;	/* flush_work() */
#endif
		gone = true
	:: true
	fi
}

init {
	atomic { run K(); run P(); run P(); run S(); run M() };
	/* K is left */
	_nr_pr == 2 && !pending && !running;
	assert(list == 0 && freed == FOLIOS)
}
