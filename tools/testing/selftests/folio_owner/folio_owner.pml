/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of a domain of mm/folio_owner.c in a module, from its folios to its end
 *
 * Each P has a reference to a folio that the module owns, and drops it at any
 * time.  The callback gives the folio up, defers it to K, the work of the domain,
 * or hands it out again, once, to another P.  S, a thread of the module, gives one
 * more folio to it, if it can.  M unloads the module as soon as that is possible,
 * or never.
 *
 *	spin -a [-D...] folio_owner.pml && cc -O2 -DSAFETY pan.c -o pan && ./pan
 *
 * variants: ""
 * must fail: "-DMUTATE_NO_SYNCHRONIZE", "-DMUTATE_NO_FLUSH"
 * must fail: "-DMUTATE_NO_READ_LOCK", "-DMUTATE_NO_MODULE_REF"
 * must fail: "-DMUTATE_SET_BLIND"
 * must fail: "-DMUTATE_QUEUE_FIRST", "-DMUTATE_QUEUE_IF_NOT_EMPTY"
 *
 * What is proven:
 * - no text of the module runs, and nobody looks at the domain, after
 *   folio_owner_unregister() has returned;
 * - that finds no folio;
 * - each folio is given up once, and none stays on the list;
 * - no deadlock.
 *
 * Each statement or d_step is one step.  Memory order is that of the atomics:
 * try_module_get() and module_put(), llist_add() and llist_del_all(), queue_work(),
 * and of RCU.  What is called a ghost is not in C.
 */
#define FOLIOS	3		/* two of P, and that of S */

#ifdef MUTATE_NO_MODULE_REF
#define ref(nr)	0
#else
#define ref(nr)	nr
#endif

byte refs = ref(2);		/* of the module: one for each folio */
bool going;			/* try_stop_module() found none */
bool returned;			/* S has returned */
bool gone;			/* ghost: text and domain are freed */
byte reading;			/* bits: who is under rcu_read_lock() */
byte list;			/* domain->deferred */
byte queued, begun, ended;	/* domain->work; it is pending if queued > begun */
byte live = 2;			/* FOLIO_OWNER_LIVE */
byte freed;			/* ghost */
bool again;			/* ghost: a folio was handed out again */

inline touch() { assert(!gone) }

/* folio_owner_clear(), called by text of the module */
inline clear()
{
	d_step { touch(); assert(live > 0); live-- }	/* folio_owner_account() */
	d_step { refs = refs - ref(1); freed++ }	/* module_put() */
}

/* Does nothing if it is pending. */
inline queue_work() { d_step { touch(); queued = begun + 1 } }

inline folio_owner_defer()
{
	touch();					/* domain->stats */
#ifdef MUTATE_QUEUE_FIRST
	if :: list == 0 -> queue_work() :: else fi;
	d_step { touch(); list++ }
#else
	d_step { touch(); first = (list == 0); list++ }	/* llist_add() */
#ifdef MUTATE_QUEUE_IF_NOT_EMPTY
	first = !first;
#endif
	if :: first -> queue_work() :: else fi
#endif
}

/* __folio_owner_free() */
inline free()
{
	touch();					/* owner->ops->module */
#ifndef MUTATE_NO_READ_LOCK
	reading = reading | (1 << _pid);		/* folio_owner_enter() */
#endif
	touch();					/* ops->free() */
	if
	:: true -> clear()				/* folio_owner_release() */
	:: true -> folio_owner_defer()
	:: d_step { !again -> again = true };
		run P()					/* folio_owner_republish() */
	fi;
	touch();					/* on its way out */
#ifndef MUTATE_NO_READ_LOCK
	reading = reading & ~(1 << _pid)		/* folio_owner_leave() */
#endif
}

proctype P()
{
	bool first;
	free()
}

/* folio_owner_set() */
proctype S()
{
	bool got;
	touch();					/* owner->ops->module */
#ifdef MUTATE_SET_BLIND
	d_step { got = true; refs++ }			/* __module_get() */
#else
	d_step { got = !going; refs = refs + ref(got) }	/* try_module_get() */
#endif
	if
	:: got -> d_step { touch(); live++ };		/* folio_owner_account() */
		run P()
	:: else -> freed++				/* -ESHUTDOWN */
	fi;
	d_step { touch(); returned = true }
}

/* folio_owner_workfn() */
proctype K()
{
	byte nr;
end:	do
	:: d_step { queued > begun -> begun++ };
		d_step { touch(); nr = list; list = 0 }	/* llist_del_all() */
		do
		:: nr > 0 -> clear(); nr--
		:: else -> break
		od;
		touch();				/* free_deferred() returns */
		ended++
	od
}

/* delete_module(2), and the exit of the module: neither waits for what comes later. */
proctype M()
{
	byte before;
	if
	:: d_step { refs == 0 -> going = true };	/* try_stop_module() */
		returned;				/* kthread_stop() */
		assert(live == 0);			/* folio_owner_unregister() */
#ifndef MUTATE_NO_SYNCHRONIZE
		before = reading;
		(reading & before) == 0;		/* synchronize_rcu() */
#endif
#ifndef MUTATE_NO_FLUSH
		before = queued;
		ended >= before;			/* flush_work() */
#endif
		gone = true
	:: true
	fi
}

init {
	atomic { run K(); run P(); run P(); run S(); run M() };
	/* K is left */
	_nr_pr == 2 && ended == queued;
	assert(list == 0 && live == 0 && freed == FOLIOS)
}
