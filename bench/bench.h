/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How one path is measured, in a module (bench/paths) or in a program
 * (bench/user):
 *
 *	BENCH(name, n, prepare, operation);
 *
 * Each sample runs prepare, and counts what operation takes: instructions of the
 * guest, as under -icount each is one tick of the TSC; nanoseconds under
 * user-mode Linux.  In a module, interrupts are off.  Where operation turns them
 * on, or is a system call, timer interrupts must not make a difference: a sample
 * starts right behind one, so that none hits what is shorter than 10 ms, or ten
 * million instructions, and as many each time what is longer.  Not so where time
 * is measured: a sleep cools the caches.
 *
 * The line that comes out has the least, the median and the greatest sample,
 * and n, the number of things that operation does in one sample:
 *
 *	bench NAME: MIN MEDIAN MAX of N
 *
 * The head comment of each file says what the path is, and to harness/bench in
 * a line of the form " * bench: CLASS" what is asked of it:
 *
 *	ordinary		never more instructions than on the base
 *	owned			is an owner's
 *	locks			counts spinlocks, not instructions
 *	graces			counts grace periods of RCU
 *	size			in bytes
 *	patched			the base has none: shown only
 *	scaling			timed, on several CPUs
 *	fio			KiB/s, see bench/fio
 *
 * A line of the form " * bench: CLASS NAME BOUND" says what NAME may take: "<= N %"
 * of the base, "<= +N" more than the base for each operation, or "<= N" for each.
 * Each line of the first five classes has a bound; without one of their own,
 * ordinary paths have "<= 100 %".  With full preemption, configs/bench-preempt.config,
 * none of the first two may take more than the base.
 *
 * A module has a function "static int __init bench(void)", a program its main().
 */
#ifndef BENCH_H
#define BENCH_H

#ifdef CONFIG_UML
#define BENCH_TIME	1
#define BENCH_WARM	20
#define BENCH_SAMPLES	101
#else
#define BENCH_TIME	0
#define BENCH_WARM	2
#define BENCH_SAMPLES	5
#endif

#ifdef __KERNEL__

#include <linux/init.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sort.h>
#include <linux/timekeeping.h>

#define bench_print(fmt, ...)	pr_info("bench " fmt, ##__VA_ARGS__)
#define bench_sleep()		schedule_timeout_uninterruptible(1)
#define bench_irqs_off()	local_irq_disable()
#define bench_irqs_on()		local_irq_enable()
#define bench_sort(sample, cmp)	\
	sort(sample, BENCH_SAMPLES, sizeof(u64), cmp, NULL)

static int bench(void);

module_init(bench);
MODULE_DESCRIPTION("Measures a path");
MODULE_LICENSE("GPL");

#else /* !__KERNEL__ */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef unsigned long long u64;

#define bench_print(...)	printf("bench " __VA_ARGS__)
#define bench_sleep()		usleep(1)
#define bench_irqs_off()
#define bench_irqs_on()
#define bench_sort(sample, cmp)	qsort(sample, BENCH_SAMPLES, sizeof(u64), cmp)

#endif /* __KERNEL__ */

static inline u64 bench_clock(void)
{
	unsigned int low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (u64)high << 32 | low;
}

/* Instructions as they are.  Reading the time itself is slow under UML. */
static inline u64 bench_unit(u64 ticks)
{
#ifdef CONFIG_UML
	u64 ns = ktime_get_ns(), clock = bench_clock();

	bench_sleep();
	ns = ktime_get_ns() - ns;
	return ticks * ns / (bench_clock() - clock);
#else
	return ticks;
#endif
}

static int bench_compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static inline void bench_report(const char *name, u64 *sample, unsigned int n)
{
	bench_sort(sample, bench_compare);
	bench_print("%s: %llu %llu %llu of %u\n", name, bench_unit(sample[0]),
		    bench_unit(sample[BENCH_SAMPLES / 2]),
		    bench_unit(sample[BENCH_SAMPLES - 1]), n);
}

/* For want of something to prepare. */
static inline void bench_nothing(void)
{
}

#define BENCH(name, n, prepare, operation)				\
do {									\
	u64 sample_[BENCH_SAMPLES], clock_;				\
	int i_;								\
									\
	for (i_ = -BENCH_WARM; i_ < BENCH_SAMPLES; i_++) {		\
		prepare;						\
		if (!BENCH_TIME)					\
			bench_sleep();					\
		bench_irqs_off();					\
		clock_ = bench_clock();					\
		operation;						\
		clock_ = bench_clock() - clock_;			\
		bench_irqs_on();					\
		if (i_ >= 0)						\
			sample_[i_] = clock_;				\
	}								\
	bench_report(name, sample_, n);					\
} while (0)

#endif /* BENCH_H */
