// SPDX-License-Identifier: GPL-2.0
/*
 * Freeing hugetlb pages by truncating a file of hugetlbfs.
 *
 * bench: owned hugetlb-truncate-64 <= 95 %
 */
#include <fcntl.h>
#include <sys/mman.h>
#include "bench.h"

#define SIZE	(64UL * (2UL << 20))

static int file;

static void fill(void)
{
	if (fallocate(file, 0, 0, SIZE))
		exit(1);
}

static void empty(void)
{
	if (ftruncate(file, 0))
		exit(1);
}

int main(void)
{
	file = memfd_create("bench", MFD_HUGETLB);
	BENCH("hugetlb-truncate-64", 64, fill(), empty());
	return 0;
}
