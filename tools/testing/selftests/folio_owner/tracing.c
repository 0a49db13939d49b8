// SPDX-License-Identifier: GPL-2.0
/* The tracepoints tell the life of an owned folio, if they are on. */
#include "../kselftest_harness.h"
#include "util.h"

#define EVENTS	TRACING "events/folio_owner/"
#define PAGES	6

FIXTURE(tracing)
{
	long nr;
};

FIXTURE_SETUP(tracing)
{
	if (access(EVENTS "enable", W_OK))
		SKIP(return, "no " EVENTS);
	self->nr = get(HPAGES_2M "nr_hugepages");
	if (get(HPAGES_2M "free_hugepages") < PAGES)
		SKIP(return, "needs 6 free huge pages");
	ASSERT_TRUE(put_string(TRACING "tracing_on", "1"));
	ASSERT_TRUE(put_string(TRACING "trace", ""));
}

FIXTURE_TEARDOWN(tracing)
{
	put_string(EVENTS "enable", "0");
	put_string(TRACING "trace", "");
	set(HPAGES_2M "nr_hugepages", self->nr);
}

/* How many lines of the trace have all of these texts in them. */
static int traced(const char *event, const char *text, const char *other)
{
	FILE *file = fopen(TRACING "trace", "r");
	char line[1024];
	int lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines += line[0] != '#' && strstr(line, event) &&
			 strstr(line, text) && strstr(line, other);
	if (file)
		fclose(file);
	return lines;
}

/* Into the pool, into use, out of use, out of the pool. Returns a pfn. */
static unsigned long round_trip(long nr)
{
	unsigned long pfn;
	char *memory;

	if (!set(HPAGES_2M "nr_hugepages", nr + 2))
		return 0;
	memory = map_huge(PAGES);
	if (memory == MAP_FAILED)
		return 0;
	fill(memory, PAGES, HPAGE_SIZE, 1);
	pfn = pfn_of(memory);
	munmap(memory, PAGES * HPAGE_SIZE);
	set(HPAGES_2M "nr_hugepages", nr);
	return pfn;
}

TEST_F(tracing, is_silent_while_off)
{
	ASSERT_NE(round_trip(self->nr), 0);
	ASSERT_EQ(traced("folio_", "", ""), 0);
}

TEST_F(tracing, shows_a_round_trip_of_hugetlb_pages)
{
	char pfn[32];

	ASSERT_TRUE(put_string(EVENTS "enable", "1"));
	snprintf(pfn, sizeof(pfn), "pfn=0x%lx ", round_trip(self->nr));
	ASSERT_TRUE(put_string(EVENTS "enable", "0"));
	ASSERT_EQ(traced("folio_owner_set:", "owner=hugetlb:", "order=9"), 2);

	TH_LOG("one free for all the pages of a munmap, by the first of them");
	ASSERT_EQ(traced("folio_owner_free:", "owner=hugetlb:", ""), 1);
	ASSERT_EQ(traced("folio_owner_free:", pfn, "order=9 nr=6"), 1);

	TH_LOG("and what leaves the pool has no owner");
	if (get("/proc/sys/vm/hugetlb_optimize_vmemmap") == 1)
		eventually(traced("folio_owner_clear:", "", "") == 2);
	ASSERT_EQ(traced("folio_owner_clear:", "owner=hugetlb:", "order=9"), 2);
}

TEST_F(tracing, shows_drains)
{
	struct test_folio_owner_drain drain = { .timeout_ms = 1 };
	int fd = open_test_device();
	char pfn[32];
	char *memory;

	if (fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(memory, MAP_FAILED);
	memory[0] = 1;
	snprintf(pfn, sizeof(pfn), "pfn=0x%lx ", pfn_of(memory));

	ASSERT_TRUE(put_string(EVENTS "enable", "1"));
	ASSERT_NE(ioctl(fd, TEST_FOLIO_OWNER_DRAIN, &drain), 0);
	ASSERT_EQ(munmap(memory, 4096), 0);
	ASSERT_EQ(ioctl(fd, TEST_FOLIO_OWNER_DRAIN, &drain), 0);
	close(fd);
	ASSERT_TRUE(put_string(EVENTS "enable", "0"));

	ASSERT_EQ(traced("folio_drain_start:", pfn, "refs=1 count=2"), 1);
	ASSERT_EQ(traced("folio_drain_end:", pfn, "cancelled"), 1);
	ASSERT_EQ(traced("folio_drain_start:", pfn, "refs=1 count=1"), 1);
	ASSERT_EQ(traced("folio_drain_end:", pfn, "drained"), 1);
	ASSERT_EQ(traced("folio_owner_free:", pfn, "owner=test_folio_owner:"), 1);
}

TEST_HARNESS_MAIN
