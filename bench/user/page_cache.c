// SPDX-License-Identifier: GPL-2.0
/*
 * Dropping 16 MiB of clean page cache.
 *
 * bench: ordinary
 */
#include <fcntl.h>
#include "bench.h"

#define SIZE	(16UL << 20)

static char buffer[SIZE];
static int disk;

static void read_all(void)
{
	if (pread(disk, buffer, SIZE, 0) != SIZE)
		exit(1);
}

int main(void)
{
	disk = open("/dev/ram0", O_RDONLY);
	BENCH("page-cache-drop", (unsigned int)(SIZE / 4096), read_all(),
	      posix_fadvise(disk, 0, SIZE, POSIX_FADV_DONTNEED));
	return 0;
}
