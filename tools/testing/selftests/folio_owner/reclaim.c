// SPDX-License-Identifier: GPL-2.0
/*
 * Reclaim may hold the last reference to a folio that is being drained, and
 * drops it without folio_put().  The drain ends all the same, and the folio is
 * where reclaim took it from: on an LRU list.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include "../kselftest_harness.h"
#include "util.h"

#define CGROUP		"/sys/fs/cgroup/folio_owner_reclaim/"
#define DRAIN_END	TRACING "events/folio_owner/folio_drain_end/"
#define PAGES		48
#define NEAR		16	/* reclaim takes more pages than this at a time */
#define TRIES		1000
#define KPF_LRU		5

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *drain(void *fd)
{
	struct test_folio_owner_drain drain = { .timeout_ms = 10000 };

	run_on(1);
	return (void *)(long)ioctl((long)fd, TEST_FOLIO_OWNER_DRAIN_GRABBED,
				   &drain);
}

static void *reclaim_pages(void *reclaimed)
{
	run_on(1);
	/* The other pages and no more: it would look for them elsewhere. */
	set(CGROUP "memory.reclaim", (PAGES - 1) * 4096);
	__atomic_store_n((bool *)reclaimed, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Did any drain end in the hands of reclaim? */
static bool reclaim_was_last(void)
{
	FILE *file = fopen(TRACING "trace", "r");
	bool found = false;
	char line[1024];

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, "move_folios_to_lru");
	if (file)
		fclose(file);
	return found;
}

FIXTURE(reclaim)
{
	int fd;
	int other;
};

FIXTURE_SETUP(reclaim)
{
	self->fd = open_test_device();
	self->other = open_test_device();
	if (self->fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	mkdir(CGROUP, 0755);
	if (access(CGROUP "memory.reclaim", W_OK))
		SKIP(return, "no " CGROUP "memory.reclaim");
	ASSERT_TRUE(put_string(CGROUP "cgroup.procs", "0"));
	run_on(0);

	ASSERT_TRUE(put_string(TRACING "tracing_on", "1"));
	ASSERT_TRUE(put_string(TRACING "trace", ""));
	ASSERT_TRUE(put_string(DRAIN_END "trigger", "stacktrace"));
	ASSERT_TRUE(put_string(DRAIN_END "enable", "1"));
}

FIXTURE_TEARDOWN(reclaim)
{
	put_string(DRAIN_END "enable", "0");
	put_string(DRAIN_END "trigger", "!stacktrace");
	put_string(TRACING "trace", "");
	put_string("/sys/fs/cgroup/cgroup.procs", "0");
	rmdir(CGROUP);
	close(self->fd);
	close(self->other);
}

/* Clean pages, which reclaim takes without swap, in this order. */
static char *map_lazily_free(void)
{
	char *memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, PAGES * 4096, MADV_NOHUGEPAGE);
	fill(memory, PAGES, 4096, 1);
	/* Twice: the kernel gathers them in batches, and holds those. */
	if (madvise(memory, PAGES * 4096, MADV_FREE) ||
	    madvise(memory, PAGES * 4096, MADV_FREE))
		return NULL;
	return memory;
}

static bool is_mapped(void *page)
{
	unsigned char mapped;

	return !mincore(page, 4096, &mapped) && mapped;
}

/*
 * Both files have a reference to the last page, and one of them drains it.
 * While reclaim is busy with the pages before it, the other puts its own.
 */
TEST_F_TIMEOUT(reclaim, has_the_last_reference, 100)
{
	struct test_folio_owner_put put = { .refs = 1 };
	struct test_folio_owner_grab grab = { .nr = 1 };
	int tries = 0;

	while (!reclaim_was_last()) {
		pthread_t drainer, reclaimer;
		char *memory, *last, *before;
		bool reclaimed = false;
		unsigned long pfn;
		void *result;

		ASSERT_LT(tries++, TRIES);
		memory = map_lazily_free();
		ASSERT_NE(memory, NULL);
		last = memory + (PAGES - 1) * 4096;
		before = last - (1 + tries % NEAR) * 4096;
		pfn = pfn_of(last);
		ASSERT_NE(pfn, 0);
		grab.addr = (unsigned long)last;
		ASSERT_EQ(ioctl(self->fd, TEST_FOLIO_OWNER_GRAB, &grab), 0);
		ASSERT_EQ(ioctl(self->other, TEST_FOLIO_OWNER_GRAB, &grab), 0);
		ASSERT_EQ(madvise(last, 4096, MADV_DONTNEED), 0);

		ASSERT_EQ(pthread_create(&drainer, NULL, drain,
					 (void *)(long)self->fd), 0);
		sleep_ms(1);
		ASSERT_EQ(pthread_create(&reclaimer, NULL, reclaim_pages,
					 &reclaimed), 0);
		while (is_mapped(before) &&
		       !__atomic_load_n(&reclaimed, __ATOMIC_ACQUIRE))
			;
		ASSERT_EQ(ioctl(self->other, TEST_FOLIO_OWNER_PUT, &put), 0);

		pthread_join(reclaimer, NULL);
		pthread_join(drainer, &result);
		ASSERT_EQ((long)result, 0);
		ASSERT_TRUE(page_flags(pfn) >> KPF_LRU & 1);
		ASSERT_EQ(ioctl(self->fd, TEST_FOLIO_OWNER_PUT, &put), 0);
		munmap(memory, PAGES * 4096);
	}
	TH_LOG("reclaim was last in try %d", tries);
}

TEST_HARNESS_MAIN
