// SPDX-License-Identifier: GPL-2.0
/*
 * How many grace periods of RCU it takes to free hugetlb pages that gave up
 * their memmap (HVO): the pool gets smaller while they are in use, so that the
 * last put has to free them.
 *
 * bench: graces hugetlb-hvo-free-64 <= 0.05
 */
#include <linux/kprobes.h>
#include "hugetlb.h"

#define PAGES	64
#define POOL	"/proc/sys/vm/nr_hugepages"
#define HVO	"/proc/sys/vm/hugetlb_optimize_vmemmap"

static u64 waited;

static int count_wait(struct kprobe *probe, struct pt_regs *regs)
{
	waited++;
	return 0;
}

static struct kprobe wait = {
	.symbol_name = "synchronize_rcu",
	.pre_handler = count_wait,
};

static int write_number(const char *path, unsigned int number)
{
	struct file *file = filp_open(path, O_WRONLY, 0);
	char text[16];
	loff_t pos = 0;
	ssize_t len = scnprintf(text, sizeof(text), "%u\n", number);

	if (IS_ERR(file))
		return PTR_ERR(file);
	len = kernel_write(file, text, len, &pos);
	filp_close(file, NULL);
	return len < 0 ? len : 0;
}

static unsigned int pool_size(void)
{
	struct file *file = filp_open(POOL, O_RDONLY, 0);
	char text[16] = "";
	unsigned int number;
	loff_t pos = 0;

	if (IS_ERR(file))
		panic("no %s", POOL);
	kernel_read(file, text, sizeof(text) - 1, &pos);
	filp_close(file, NULL);
	return kstrtouint(strim(text), 10, &number) ? 0 : number;
}

static u64 free_all(struct file *file)
{
	if (write_number(POOL, PAGES) || pool_size() != PAGES)
		panic("no pool for the benchmark");
	get_huge_pages(file, PAGES);
	write_number(POOL, 0);
	waited = 0;
	put_huge_pages(PAGES);
	/* This waits for the work item that frees them. */
	write_number(POOL, 0);
	return waited;
}

static int __init bench(void)
{
	struct file *file = filp_open("/huge/file", O_RDWR | O_CREAT, 0600);
	unsigned int before = pool_size();
	u64 sample[BENCH_SAMPLES];
	int i, err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = write_number(POOL, 0) ?: write_number(HVO, 1) ?: register_kprobe(&wait);
	if (!err) {
		for (i = 0; i < BENCH_SAMPLES; i++)
			sample[i] = free_all(file);
		bench_report("hugetlb-hvo-free-64", sample, PAGES);
		unregister_kprobe(&wait);
	}
	write_number(HVO, 0);
	write_number(POOL, before);
	filp_close(file, NULL);
	return err;
}
