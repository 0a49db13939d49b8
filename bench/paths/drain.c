// SPDX-License-Identifier: GPL-2.0
/*
 * Drains: with nobody else, ended by the last put, many at once, and with a
 * waiter that sleeps: from the put until it runs, and back.
 *
 * bench: patched
 */
#include <linux/folio_drain.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include "bench.h"

#define MANY	10000

static struct folio_drain drains[MANY];
static struct folio *folios[MANY];
static DECLARE_COMPLETION(started);
static DECLARE_COMPLETION(woken);

static void set_counts(unsigned int nr, int count)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		folio_set_count(folios[i], count);
}

static void start(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		WARN_ON(folio_drain_start(&drains[i], folios[i], 1));
}

static void put(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		folio_put(folios[i]);
}

static void wait(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		WARN_ON(folio_drain_wait(&drains[i], TASK_UNINTERRUPTIBLE,
					 MAX_SCHEDULE_TIMEOUT));
}

static int sleeper(void *unused)
{
	int i;

	for (i = -BENCH_WARM; i < BENCH_SAMPLES; i++) {
		wait_for_completion(&started);
		wait(1);
		complete(&woken);
	}
	return 0;
}

static int __init bench(void)
{
	static const struct {
		const char *whole, *end;
		unsigned int nr;
	} sizes[] = {
		{ "drain-1", "drain-1-last-put", 1 },
		{ "drain-10", "drain-10-last-put", 10 },
		{ "drain-10000", "drain-10000-last-put", MANY },
	};
	unsigned int i, nr;

	for (i = 0; i < MANY; i++) {
		folios[i] = folio_alloc(GFP_KERNEL, 0);
		if (!folios[i])
			return -ENOMEM;
		__folio_set_locked(folios[i]);
	}

	BENCH("drain-alone", 1, set_counts(1, 1), start(1); wait(1));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		nr = sizes[i].nr;
		BENCH(sizes[i].whole, nr, set_counts(nr, 2),
		      start(nr); put(nr); wait(nr));
		BENCH(sizes[i].end, nr, set_counts(nr, 2); start(nr),
		      put(nr); wait(nr));
	}

	if (IS_ERR(kthread_run(sleeper, NULL, "bench")))
		return -ENOMEM;
	/* The sleeper gets to its wait while this one waits for a tick. */
	BENCH("drain-wake-up", 1, set_counts(1, 2); start(1); complete(&started),
	      put(1); wait_for_completion(&woken));

	for (i = 0; i < MANY; i++) {
		folio_set_count(folios[i], 1);
		folio_unlock(folios[i]);
		folio_put(folios[i]);
	}
	return 0;
}
