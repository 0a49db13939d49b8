// SPDX-License-Identifier: GPL-2.0
/* The pool of samples/folio_owner: its pages come back, whoever had them last. */
#include <sys/syscall.h>
#include <sys/uio.h>
#include "../kselftest_harness.h"
#include "util.h"

#define MODULE		"folio_pool"
#define DEVICE		"/dev/" MODULE
#define PARAMETERS	"/sys/module/" MODULE "/parameters/"
#define PAGES		8

FIXTURE(pool)
{
	int fd;
};

FIXTURE_SETUP(pool)
{
	if (access(DEVICE, F_OK) && system("modprobe -q " MODULE))
		SKIP(return, "no CONFIG_SAMPLE_FOLIO_OWNER=m");
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(pool)
{
	close(self->fd);
}

static char *map(int fd)
{
	return mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int unload(void)
{
	return syscall(SYS_delete_module, MODULE, 0) ? errno : 0;
}

TEST_F(pool, has_pages_again_that_are_put)
{
	char *memory = map(self->fd);
	unsigned long pfns[PAGES];
	int reused = 0;

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, 4096, 1);
	for (int i = 0; i < PAGES; i++)
		pfns[i] = pfn_of(memory + i * 4096);
	ASSERT_EQ(owner(MODULE).live, PAGES);
	ASSERT_EQ(munmap(memory, PAGES * 4096), 0);
	ASSERT_EQ(get(PARAMETERS "size"), PAGES);
	ASSERT_EQ(owner(MODULE).live, PAGES);

	TH_LOG("the same pages are mapped, and nothing is left in them");
	memory = map(self->fd);
	ASSERT_NE(memory, MAP_FAILED);
	for (int i = 0; i < PAGES; i++) {
		ASSERT_EQ(memory[i * 4096], 0);
		for (int j = 0; j < PAGES; j++)
			reused += pfn_of(memory + i * 4096) == pfns[j];
	}
	ASSERT_EQ(reused, PAGES);
	ASSERT_EQ(get(PARAMETERS "size"), 0);
	ASSERT_EQ(munmap(memory, PAGES * 4096), 0);
}

TEST_F(pool, waits_for_a_pipe)
{
	char *memory = map(self->fd), copy[4096];
	struct iovec vec = { memory, 4096 };
	int pipes[2];

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, 4096, 1);
	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &vec, 1, 0), 4096);
	ASSERT_EQ(munmap(memory, PAGES * 4096), 0);
	ASSERT_EQ(get(PARAMETERS "size"), PAGES - 1);

	ASSERT_EQ(read(pipes[0], copy, 4096), 4096);
	ASSERT_TRUE(filled(copy, 1, 4096, 1));
	ASSERT_EQ(get(PARAMETERS "size"), PAGES);
}

TEST_F(pool, keeps_no_more_than_it_may)
{
	char *memory = map(self->fd);

	ASSERT_NE(memory, MAP_FAILED);
	ASSERT_TRUE(set(PARAMETERS "max", 2));
	fill(memory, PAGES, 4096, 1);
	ASSERT_EQ(munmap(memory, PAGES * 4096), 0);
	ASSERT_EQ(get(PARAMETERS "size"), 2);
	ASSERT_EQ(owner(MODULE).live, 2);

	TH_LOG("it cannot be unloaded before it is empty");
	close(self->fd);
	ASSERT_EQ(unload(), EWOULDBLOCK);
	ASSERT_TRUE(set(PARAMETERS "max", 0));
	ASSERT_EQ(owner(MODULE).live, 0);
	ASSERT_TRUE(eventually(!unload()));
}

TEST_HARNESS_MAIN
