// SPDX-License-Identifier: GPL-2.0
/*
 * Memory failure on hugetlb pages: the page loses its owner when it leaves the
 * pool, and the owner's word is never taken for file-system private data.
 *
 * Leaves poisoned memory behind: for a machine that is thrown away.
 */
#include <linux/memfd.h>
#include <signal.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

static bool pool_is_owned(void)
{
	return owner(HUGETLB).live == get(HPAGES_2M "nr_hugepages");
}

FIXTURE(hwpoison)
{
	long nr;
	int log;
};

FIXTURE_SETUP(hwpoison)
{
	self->nr = get(HPAGES_2M "nr_hugepages");
	if (get(HPAGES_2M "free_hugepages") < 2)
		SKIP(return, "needs 2 free huge pages");
	if (access("/proc/sys/vm/memory_failure_recovery", F_OK))
		SKIP(return, "no CONFIG_MEMORY_FAILURE");
	ASSERT_TRUE(pool_is_owned());
	self->log = open_log();
	ASSERT_GE(self->log, 0);
}

FIXTURE_TEARDOWN(hwpoison)
{
	set(HPAGES_2M "nr_hugepages", self->nr);
}

/* The page is poisoned by a child, which does not survive that. */
static int poison_in_child(char *memory)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		fill(memory, 1, HPAGE_SIZE, 1);
		if (madvise(memory, HPAGE_SIZE, MADV_HWPOISON))
			_exit(errno);
		fill(memory, 1, HPAGE_SIZE, 2);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/*
 * Here filemap_release_folio() meets an owner where it looks for buffers.  If
 * it took the one for the other, the recovery would fail, at best.
 */
TEST_F(hwpoison, of_a_mapped_file)
{
	int fd = memfd_create("hugetlb", MFD_HUGETLB | 21U << MFD_HUGE_SHIFT);
	char *memory;

	ASSERT_EQ(ftruncate(fd, HPAGE_SIZE), 0);
	memory = mmap(NULL, HPAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(memory, MAP_FAILED);
	ASSERT_EQ(poison_in_child(memory), SIGBUS);
	ASSERT_NE(read_log(self->log, "recovery action for huge page", "Recovered"), NULL);
	ASSERT_EQ(munmap(memory, HPAGE_SIZE), 0);
	ASSERT_EQ(close(fd), 0);
	ASSERT_TRUE(eventually(pool_is_owned()));
}

TEST_F(hwpoison, of_anonymous_memory)
{
	char *memory = map_huge(1);

	ASSERT_NE(memory, MAP_FAILED);
	ASSERT_EQ(poison_in_child(memory), SIGBUS);
	ASSERT_NE(read_log(self->log, "recovery action for huge page", "Recovered"), NULL);
	ASSERT_EQ(munmap(memory, HPAGE_SIZE), 0);
	ASSERT_TRUE(eventually(pool_is_owned()));
}

/* The content moves to another page, and the bad one is dissolved. */
TEST_F(hwpoison, soft_offline)
{
	struct owner before = owner(HUGETLB);
	char *memory = map_huge(1);
	unsigned long pfn;

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, 1, HPAGE_SIZE, 1);
	pfn = pfn_of(memory);
	ASSERT_NE(pfn, 0);
	/* Another test may have left it off. */
	ASSERT_TRUE(set("/proc/sys/vm/enable_soft_offline", 1));
	ASSERT_EQ(madvise(memory, HPAGE_SIZE, MADV_SOFT_OFFLINE), 0);
	ASSERT_NE(pfn_of(memory), pfn);
	ASSERT_TRUE(filled(memory, 1, HPAGE_SIZE, 1));
	ASSERT_EQ(owner(HUGETLB).frees, before.frees + 1);
	ASSERT_EQ(munmap(memory, HPAGE_SIZE), 0);
	ASSERT_EQ(owner(HUGETLB).frees, before.frees + 2);
	ASSERT_TRUE(eventually(pool_is_owned()));
}

TEST_HARNESS_MAIN
