// SPDX-License-Identifier: GPL-2.0
/*
 * The exit of a process with 100 MiB of anonymous memory, until its parent hears
 * of it.
 *
 * bench: ordinary
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "bench.h"

#define SIZE	(100UL << 20)

static int go[2], ready[2];

/* A child that has its memory, and waits for a byte to go. */
static void start_child(void)
{
	char *memory, byte = 0;

	if (fork()) {
		if (read(ready[0], &byte, 1) != 1)
			exit(1);
		return;
	}
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, SIZE, MADV_NOHUGEPAGE))
		exit(1);
	memset(memory, 1, SIZE);
	if (write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1)
		_exit(0);
	_exit(1);
}

static void end_child(void)
{
	if (write(go[1], "", 1) != 1 || wait(NULL) < 0)
		exit(1);
}

int main(void)
{
	if (pipe(go) || pipe(ready))
		return 1;
	BENCH("exit-100M", (unsigned int)(SIZE / 4096), start_child(), end_child());
	return 0;
}
