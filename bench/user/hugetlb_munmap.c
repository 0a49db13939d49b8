// SPDX-License-Identifier: GPL-2.0
/*
 * Freeing hugetlb pages by munmap().
 *
 * bench: owned hugetlb-munmap-1 <= 100 %
 * bench: owned hugetlb-munmap-64 <= 95 %
 * bench: owned hugetlb-munmap-512 <= 92 %
 */
#include <sys/mman.h>
#include "bench.h"

#define HUGE	(2UL << 20)

static char *map_pages(unsigned int nr)
{
	char *memory = mmap(NULL, nr * HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	unsigned int i;

	if (memory == MAP_FAILED)
		exit(1);
	for (i = 0; i < nr; i++)
		memory[i * HUGE] = 1;
	return memory;
}

int main(void)
{
	char *memory;

	BENCH("hugetlb-munmap-1", 1, memory = map_pages(1),
	      munmap(memory, HUGE));
	BENCH("hugetlb-munmap-64", 64, memory = map_pages(64),
	      munmap(memory, 64 * HUGE));
	BENCH("hugetlb-munmap-512", 512, memory = map_pages(512),
	      munmap(memory, 512 * HUGE));
	return 0;
}
