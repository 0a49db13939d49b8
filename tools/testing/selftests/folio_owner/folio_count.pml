/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of those who conclude from a count of one that nobody else has a folio
 *
 * W has the folio locked and drains it: it gives up its reference, and takes it
 * back at any time, if the count is not zero by then.  R has a reference, too, and
 * wants to know whether it is the last, as folio_was_freed() of mm/migrate.c and
 * generic_pipe_buf_try_steal() do.  T looks the folio up and drops it again.
 *
 * variants: "", "-DNO_DRAIN"
 * must fail: "-DMUTATE_NO_LOCK", "-DMUTATE_NOT_AGAIN"
 *
 * What is proven: who finds one under the lock has the only reference that there
 * is, and nobody takes one back.  MUTATE_NO_LOCK reads the count without it,
 * MUTATE_NOT_AGAIN before it, and not again.
 */
byte count = 2;			/* one of W, one of R */
bool locked;
bool claim = true;		/* W has a reference, or may take one back: a ghost */

inline trylock() { d_step { got = !locked; locked = true } }

proctype W()
{
	d_step { !locked -> locked = true };
#ifndef NO_DRAIN
	count--;			/* folio_drain_give_up() */
	if
	:: d_step { count > 0 -> count++ }	/* folio_drain_cancel() */
	:: count == 0 -> claim = false;		/* drained: the folio is W's */
		locked = false; goto out
	fi;
#endif
	locked = false;
	d_step { count--; claim = false }
out:	skip
}

proctype R()
{
	bool got, alone;
#ifdef MUTATE_NO_LOCK
	alone = (count == 1);
	if :: alone -> assert(!claim) :: else fi;
#else
	alone = (count == 1);
	if
	:: alone -> trylock();
		if
		:: got ->
#ifndef MUTATE_NOT_AGAIN
			alone = (count == 1);
#endif
			if :: alone -> assert(!claim) :: else fi;
			locked = false
		:: else
		fi
	:: else
	fi;
#endif
	d_step { count > 0; count-- }
}

proctype T()
{
	bool got;
	d_step { got = (count > 0); count = count + got };
	if :: got -> count-- :: else fi
}

init { atomic { run W(); run R(); run T() } }
