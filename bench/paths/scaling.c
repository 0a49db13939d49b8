// SPDX-License-Identifier: GPL-2.0
/*
 * Puts per second, of all CPUs together: of ordinary folios, and of owned ones,
 * which the owner hands out again.  Each CPU has a folio of its own, or all take
 * the lock of one zone, or all have one folio.
 *
 * bench: scaling
 */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include "bench.h"

static struct folio *shared, *own[NR_CPUS];
static atomic64_t puts;
static bool stop;

/* Each does one put and returns true, or returns false. */
static bool ordinary(unsigned int cpu)
{
	folio_put(folio_alloc(GFP_KERNEL | __GFP_NOFAIL, 0));
	return true;
}

static bool ordinary_zone(unsigned int cpu)
{
	/* Too large for the page lists of a CPU. */
	struct folio *folio = folio_alloc(GFP_KERNEL, 4);

	if (!folio)
		return false;
	folio_put(folio);
	return true;
}

static bool ordinary_shared(unsigned int cpu)
{
	folio_get(shared);
	folio_put(shared);
	return true;
}

static int run_way(void *way)
{
	bool (*one)(unsigned int cpu) = way;
	unsigned int cpu = smp_processor_id();
	u64 done = 0;

	while (!READ_ONCE(stop)) {
		done += one(cpu);
		cond_resched();
	}
	atomic64_add(done, &puts);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int measure(const char *name, bool (*way)(unsigned int cpu))
{
	struct task_struct *threads[NR_CPUS];
	u64 sample[BENCH_SAMPLES], start;
	unsigned int i, cpu;

	for (i = 0; i < BENCH_SAMPLES; i++) {
		atomic64_set(&puts, 0);
		WRITE_ONCE(stop, false);
		for_each_online_cpu(cpu) {
			threads[cpu] = kthread_run_on_cpu(run_way, way, cpu, "bench/%u");
			if (IS_ERR(threads[cpu]))
				return PTR_ERR(threads[cpu]);
		}
		start = ktime_get_ns();
		msleep(100);
		WRITE_ONCE(stop, true);
		start = ktime_get_ns() - start;
		for_each_online_cpu(cpu)
			kthread_stop(threads[cpu]);
		sample[i] = div64_u64(atomic64_read(&puts) * NSEC_PER_SEC, start);
	}
	bench_report(name, sample, 1);
	return 0;
}

#ifdef CONFIG_FOLIO_OWNER
#include <linux/folio_owner.h>

static atomic_t references = ATOMIC_INIT(1);

static bool owned(unsigned int cpu)
{
	folio_put(own[cpu]);
	return true;
}

/* The last of the references that the owner gave out makes it give out more. */
static bool owned_shared(unsigned int cpu)
{
	if (!atomic_add_unless(&references, -1, 0))
		return false;
	folio_put(shared);
	return true;
}

static void hand_out(struct folio *folio)
{
	unsigned int nr = folio == shared ? num_online_cpus() : 1;

	folio_owner_republish(folio, nr);
	if (folio == shared)
		atomic_add(nr, &references);
}

static const struct folio_owner_ops ops = {
	.free	= hand_out,
};

DEFINE_FOLIO_OWNER_DOMAIN(domain, "bench", NULL);

static struct folio_owner owner = {
	.ops	= &ops,
	.domain	= &domain,
};

static int measure_owned(void)
{
	unsigned int cpu;
	int err;

	for_each_online_cpu(cpu)
		folio_owner_set(own[cpu], &owner);
	folio_owner_set(shared, &owner);

	err = measure("owned", owned) ?: measure("owned-shared", owned_shared);

	for_each_online_cpu(cpu)
		folio_owner_clear(own[cpu]);
	folio_owner_clear(shared);
	return err;
}
#else
static int measure_owned(void)
{
	return 0;
}
#endif

static int __init bench(void)
{
	unsigned int cpu;

	shared = folio_alloc(GFP_KERNEL, 0);
	for_each_online_cpu(cpu) {
		own[cpu] = folio_alloc(GFP_KERNEL, 0);
		if (!own[cpu])
			return -ENOMEM;
	}
	return measure("ordinary", ordinary) ?:
	       measure("ordinary-zone", ordinary_zone) ?:
	       measure("ordinary-shared", ordinary_shared) ?:
	       measure_owned();
}
