// SPDX-License-Identifier: GPL-2.0
/*
 * The pool grows and shrinks, and surplus pages come and go, while memory goes
 * offline, gigantic pages are made of ranges in which pages are freed, and a CPU
 * comes and goes.  In the end nothing is lost, and the kernel has nothing to say.
 */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

#define MEMORY		"/sys/devices/system/memory/"
#define CPU		"/sys/devices/system/cpu/cpu1/online"
#define ROUNDS		40
#define POOL		96
#define SURPLUS		16

static bool *stop;

/* The blocks at the end: where the pages of a pool are that grew last, or first. */
static void offline_and_online(int round)
{
	char path[64];
	long block;

	for (block = 511; block > 0; block--) {
		snprintf(path, sizeof(path), MEMORY "memory%ld/online", block);
		if (!access(path, W_OK) && round-- <= 0)
			break;
	}
	if (!block)
		return;
	/* It may be in use, or not removable: what counts is that it ends. */
	set(path, 0);
	set(path, 1);
}

static void cpu_goes_and_comes(int round)
{
	set(CPU, 0);
	set(CPU, 1);
}

static void gigantic(int round)
{
	set(HPAGES_1G "nr_hugepages", 1);
	set(HPAGES_1G "nr_hugepages", 0);
}

static void (*const others[])(int round) = { offline_and_online, cpu_goes_and_comes, gigantic };

static pid_t start(void (*what)(int round))
{
	pid_t child = fork();

	if (!child) {
		for (int i = 0; !__atomic_load_n(stop, __ATOMIC_RELAXED); i++)
			what(i % 4);
		_exit(0);
	}
	return child;
}

FIXTURE(hugetlb_race)
{
	pid_t children[ARRAY_SIZE(others)];
	long nr;
	long overcommit;
};

/* All of them, at the end of a round, when what they took away is back. */
static bool end_others(pid_t *children)
{
	bool ok = true;

	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		pid_t child = children[i];
		int status = 0;

		children[i] = 0;
		if (child > 0 && (waitpid(child, &status, 0) != child || status))
			ok = false;
	}
	return ok;
}

FIXTURE_SETUP(hugetlb_race)
{
	self->nr = get(HPAGES_2M "nr_hugepages");
	self->overcommit = get(HPAGES_2M "nr_overcommit_hugepages");
	if (self->nr < 0)
		SKIP(return, "no hugetlb");
	stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(stop, MAP_FAILED);
}

/* Whatever became of the test. */
FIXTURE_TEARDOWN(hugetlb_race)
{
	end_others(self->children);
	set(HPAGES_1G "nr_hugepages", 0);
	set(HPAGES_2M "nr_overcommit_hugepages", self->overcommit);
	set(HPAGES_2M "nr_hugepages", self->nr);
}

/* How long it takes depends on the machine; what runs it has a limit of its own. */
TEST_F_TIMEOUT(hugetlb_race, the_pool_against_all_that_moves_memory, 3600)
{
	ASSERT_TRUE(set(HPAGES_2M "nr_overcommit_hugepages", SURPLUS));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		self->children[i] = start(others[i]);
		ASSERT_GT(self->children[i], 0);
	}

	for (int i = 0; i < ROUNDS; i++) {
		char *memory;

		set(HPAGES_2M "nr_hugepages", i % 2 ? POOL : 0);
		memory = map_huge(SURPLUS / 2);
		if (memory == MAP_FAILED)
			continue;
		/* There may be none when it comes to it: that is SIGBUS. */
		madvise(memory, SURPLUS / 2 * HPAGE_SIZE, MADV_POPULATE_WRITE);
		munmap(memory, SURPLUS / 2 * HPAGE_SIZE);
	}

	ASSERT_TRUE(end_others(self->children));
	set(HPAGES_1G "nr_hugepages", 0);
	set(HPAGES_2M "nr_overcommit_hugepages", self->overcommit);
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	ASSERT_TRUE(eventually(owner(HUGETLB).live == get(HPAGES_2M "nr_hugepages") +
			       (access(HPAGES_1G, F_OK) ? 0 : get(HPAGES_1G "nr_hugepages"))));
	ASSERT_EQ(get(HPAGES_2M "free_hugepages"), get(HPAGES_2M "nr_hugepages"));
	ASSERT_EQ(get(HPAGES_2M "resv_hugepages"), 0);
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", self->nr));
}

TEST_HARNESS_MAIN
