// SPDX-License-Identifier: GPL-2.0
/*
 * How often a spinlock is taken to free hugetlb pages: by the last put, by
 * munmap() of what nothing else refers to, and by truncate.
 *
 * bench: locks hugetlb-put-512-locks <= 0.04
 * bench: locks hugetlb-munmap-1-locks <= 100 %
 * bench: locks hugetlb-munmap-64-locks <= 5.2
 * bench: locks hugetlb-munmap-512-locks <= 5.1
 * bench: locks hugetlb-truncate-64-locks <= 2.1
 */
#include <linux/kprobes.h>
#include "hugetlb.h"

static u64 taken;

static int count_lock(struct kprobe *probe, struct pt_regs *regs)
{
	taken++;
	return 0;
}

static struct kprobe lock = {
	.symbol_name = "_raw_spin_lock",
	.pre_handler = count_lock,
};

static struct kprobe lock_irq = {
	.symbol_name = "_raw_spin_lock_irq",
	.pre_handler = count_lock,
};

static struct kprobe lock_irqsave = {
	.symbol_name = "_raw_spin_lock_irqsave",
	.pre_handler = count_lock,
};

static struct kprobe *locks[] = { &lock, &lock_irq, &lock_irqsave };

/* A tick may take some, too: the least sample is not hit by one. */
#define COUNT(name, n, prepare, operation)				\
do {									\
	u64 sample_[BENCH_SAMPLES];					\
	int i_;								\
									\
	for (i_ = -BENCH_WARM; i_ < BENCH_SAMPLES; i_++) {		\
		prepare;						\
		taken = 0;						\
		operation;						\
		if (i_ >= 0)						\
			sample_[i_] = taken;				\
	}								\
	bench_report(name, sample_, n);					\
} while (0)

/* Nothing but the mapping refers to them in the end. */
static unsigned long map_only(struct file *file, unsigned int nr)
{
	unsigned long addr = map_huge_pages(file, nr, MAP_PRIVATE);

	put_huge_pages(nr);
	return addr;
}

/* Nothing but the file refers to them in the end. */
static void fill(struct file *file, unsigned int nr)
{
	vm_munmap(map_huge_pages(file, nr, MAP_SHARED), nr * HUGE);
	put_huge_pages(nr);
}

static void count_all(struct file *file)
{
	unsigned long addr;

	COUNT("hugetlb-put-512-locks", 512, get_huge_pages(file, 512),
	      put_huge_pages(512));
	COUNT("hugetlb-munmap-1-locks", 1, addr = map_only(file, 1),
	      vm_munmap(addr, HUGE));
	COUNT("hugetlb-munmap-64-locks", 64, addr = map_only(file, 64),
	      vm_munmap(addr, 64 * HUGE));
	COUNT("hugetlb-munmap-512-locks", 512, addr = map_only(file, 512),
	      vm_munmap(addr, 512 * HUGE));
	COUNT("hugetlb-truncate-64-locks", 64, fill(file, 64),
	      vfs_truncate(&file->f_path, 0));
}

static int __init bench(void)
{
	struct file *file = filp_open("/huge/file", O_RDWR | O_CREAT, 0600);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = register_kprobes(locks, ARRAY_SIZE(locks));
	if (!err) {
		count_all(file);
		unregister_kprobes(locks, ARRAY_SIZE(locks));
	}
	filp_close(file, NULL);
	return err;
}
