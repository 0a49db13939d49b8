// SPDX-License-Identifier: GPL-2.0
/* Hugetlb pages reach their owner, and behave as they always did. */
#include <linux/memfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

#define PAGES	8

#define KPF_HUGE	17
#define KPF_PRIVATE	35
#define MPOL_MF_MOVE	2

#define CGROUP		"/sys/fs/cgroup/folio_owner_"
#define HVO		"/proc/sys/vm/hugetlb_optimize_vmemmap"
#define NODE1		"/sys/devices/system/node/node1/hugepages/hugepages-2048kB/"

static long free_pages(void)
{
	return get(HPAGES_2M "free_hugepages");
}

static long nr_pages(void)
{
	return get(HPAGES_2M "nr_hugepages");
}

static int huge_memfd(void)
{
	return memfd_create("hugetlb", MFD_HUGETLB | 21U << MFD_HUGE_SHIFT);
}

static char *map_file(int fd, size_t pages)
{
	if (ftruncate(fd, pages * HPAGE_SIZE))
		return MAP_FAILED;
	return mmap(NULL, pages * HPAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
}

/* Those of 2 MiB: 1 GiB pages have an owner of the same domain. */
static long live_pages(void)
{
	long big = get(HPAGES_1G "nr_hugepages");

	return owner(HUGETLB).live - (big > 0 ? big : 0);
}

FIXTURE(hugetlb)
{
	long nr;
	long overcommit;
	long hvo;
	struct owner before;
	long free;
};

FIXTURE_SETUP(hugetlb)
{
	self->nr = nr_pages();
	self->overcommit = get(HPAGES_2M "nr_overcommit_hugepages");
	self->hvo = get(HVO);
	self->before = owner(HUGETLB);
	self->free = free_pages();
	if (self->free < PAGES)
		SKIP(return, "needs 8 free huge pages");
	ASSERT_EQ(self->before.instances, 1);
}

FIXTURE_TEARDOWN(hugetlb)
{
	/* Left behind by a test that was skipped or failed. */
	rmdir(CGROUP "a");
	rmdir(CGROUP "b");
	set(HVO, self->hvo);
	set(HPAGES_2M "nr_overcommit_hugepages", self->overcommit);
	set(HPAGES_2M "nr_hugepages", self->nr);
}

TEST_F(hugetlb, munmap_frees_in_batches)
{
	char *memory = map_huge(PAGES);
	struct owner after;

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, HPAGE_SIZE, 1);
	ASSERT_EQ(free_pages(), self->free - PAGES);
	ASSERT_EQ(munmap(memory, PAGES * HPAGE_SIZE), 0);

	after = owner(HUGETLB);
	ASSERT_EQ(free_pages(), self->free);
	ASSERT_EQ(after.frees, self->before.frees + PAGES);
	/* munmap() hands over 7 at first: what is left of 8 comes alone. */
	ASSERT_EQ(after.batched, self->before.batched + PAGES - 1);
	ASSERT_EQ(after.live, self->before.live);
}

TEST_F(hugetlb, truncate_frees)
{
	int fd = huge_memfd();
	char *memory = map_file(fd, PAGES);

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, HPAGE_SIZE, 1);
	ASSERT_EQ(free_pages(), self->free - PAGES);

	TH_LOG("not while the page cache has them");
	ASSERT_EQ(munmap(memory, PAGES * HPAGE_SIZE), 0);
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees);

	TH_LOG("by truncate");
	ASSERT_EQ(ftruncate(fd, HPAGE_SIZE), 0);
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees + PAGES - 1);

	TH_LOG("and by the last close");
	ASSERT_EQ(close(fd), 0);
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees + PAGES);
	ASSERT_EQ(free_pages(), self->free);
}

static long charged(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), CGROUP "%s/hugetlb.2MB.current", group);
	return get(path);
}

/* In a child of its own, which is in that cgroup. */
static int touch_in(const char *group, char *page)
{
	char path[128];
	pid_t child = fork();
	int status;

	if (!child) {
		snprintf(path, sizeof(path), CGROUP "%s/cgroup.procs", group);
		if (!put_string(path, "0"))
			_exit(1);
		page[0] = 1;
		_exit(0);
	}
	return waitpid(child, &status, 0) == child ? status : -1;
}

/* One batch of pages, of different cgroups in turn: each gets its own back. */
TEST_F(hugetlb, a_batch_of_mixed_cgroups)
{
	int fd = huge_memfd();
	char *memory = map_file(fd, PAGES);

	ASSERT_EQ(mkdir(CGROUP "a", 0755), 0);
	ASSERT_EQ(mkdir(CGROUP "b", 0755), 0);
	if (charged("a") < 0)
		SKIP(return, "no cgroup with hugetlb");
	ASSERT_NE(memory, MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		ASSERT_EQ(touch_in(i % 3 ? "a" : "b", memory + i * HPAGE_SIZE), 0);
	ASSERT_EQ(charged("a"), 5 * HPAGE_SIZE);
	ASSERT_EQ(charged("b"), 3 * HPAGE_SIZE);

	ASSERT_EQ(munmap(memory, PAGES * HPAGE_SIZE), 0);
	ASSERT_EQ(ftruncate(fd, 0), 0);
	ASSERT_EQ(charged("a"), 0);
	ASSERT_EQ(charged("b"), 0);
	ASSERT_EQ(free_pages(), self->free);
	ASSERT_EQ(close(fd), 0);
	ASSERT_EQ(rmdir(CGROUP "a"), 0);
	ASSERT_EQ(rmdir(CGROUP "b"), 0);
}

TEST_F(hugetlb, copy_on_write_frees_the_copy)
{
	char *memory = map_huge(1);
	pid_t child;
	int status;

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, 1, HPAGE_SIZE, 1);
	child = fork();
	if (!child) {
		fill(memory, 1, HPAGE_SIZE, 2);
		_exit(free_pages() != self->free - 2);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees + 1);
	ASSERT_EQ(free_pages(), self->free - 1);
	ASSERT_TRUE(filled(memory, 1, HPAGE_SIZE, 1));

	ASSERT_EQ(munmap(memory, HPAGE_SIZE), 0);
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees + 2);
	ASSERT_EQ(free_pages(), self->free);
}

TEST_F(hugetlb, the_pool_is_what_is_owned)
{
	static const int sizes[] = { 0, 16, 3, 24 };

	ASSERT_EQ(live_pages(), self->nr);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", sizes[i]));
		ASSERT_EQ(nr_pages(), sizes[i]);
		ASSERT_TRUE(eventually(live_pages() == sizes[i]));
	}
	TH_LOG("and to resize it is not to free pages that were in use");
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees);
}

/* Pages that are not to stay in the pool have no owner once they are freed. */
static void surplus(struct __test_metadata *_metadata, const struct owner *before)
{
	struct owner after;
	char *memory;

	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	ASSERT_TRUE(set(HPAGES_2M "nr_overcommit_hugepages", PAGES));
	ASSERT_TRUE(eventually(live_pages() == 0));
	memory = map_huge(PAGES);
	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, HPAGE_SIZE, 1);
	ASSERT_EQ(get(HPAGES_2M "surplus_hugepages"), PAGES);
	ASSERT_EQ(live_pages(), PAGES);
	ASSERT_TRUE(filled(memory, PAGES, HPAGE_SIZE, 1));
	ASSERT_EQ(munmap(memory, PAGES * HPAGE_SIZE), 0);

	ASSERT_TRUE(eventually(live_pages() == 0));
	after = owner(HUGETLB);
	ASSERT_EQ(after.frees, before->frees + PAGES);
	ASSERT_EQ(nr_pages(), 0);
	ASSERT_EQ(get(HPAGES_2M "surplus_hugepages"), 0);
}

TEST_F(hugetlb, surplus_goes_back_to_the_buddy)
{
	set(HVO, 0);
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	surplus(_metadata, &self->before);
	ASSERT_EQ(owner(HUGETLB).deferred, self->before.deferred);
}

/* The memmap has to be allocated first, which may sleep: in a work item. */
TEST_F(hugetlb, surplus_without_memmap_is_deferred)
{
	if (!set(HVO, 1))
		SKIP(return, "no CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP");
	surplus(_metadata, &self->before);
	ASSERT_EQ(owner(HUGETLB).deferred, self->before.deferred + PAGES);
}

/* Of those that were set aside at boot, with their memmap or without. */
TEST_F_TIMEOUT(hugetlb, a_page_of_the_boot_is_demoted, 3600)
{
	const long demoted = GIGANTIC_SIZE / HPAGE_SIZE;
	long saved = self->hvo == 1 ? memmap_saved(GIGANTIC_SIZE) : 0;
	long memmap, memory_before;
	char *memory;

	if (get(HPAGES_1G "free_hugepages") != 1 || get(HPAGES_1G "nr_hugepages") != 1)
		SKIP(return, "needs one free 1 GiB page, hugepagesz=1G hugepages=1");
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	ASSERT_TRUE(eventually(owner(HUGETLB).live == 1));
	memmap = memmap_pages();
	memory_before = free_memory();

	ASSERT_TRUE(set(HPAGES_1G "demote", 1));
	ASSERT_EQ(get(HPAGES_1G "nr_hugepages"), 0);
	ASSERT_EQ(get(HPAGES_1G "free_hugepages"), 0);
	ASSERT_EQ(nr_pages(), demoted);
	ASSERT_EQ(free_pages(), demoted);
	ASSERT_EQ(get(HPAGES_2M "surplus_hugepages"), 0);
	ASSERT_EQ(owner(HUGETLB).live, demoted);

	TH_LOG("all that it was can be used");
	memory = map_huge(demoted);
	ASSERT_NE(memory, MAP_FAILED);
	stamp(memory, GIGANTIC_SIZE);
	ASSERT_EQ(free_pages(), 0);
	ASSERT_TRUE(stamped(memory, GIGANTIC_SIZE));
	ASSERT_EQ(munmap(memory, GIGANTIC_SIZE), 0);
	ASSERT_EQ(free_pages(), demoted);
	ASSERT_EQ(owner(HUGETLB).live, demoted);
	ASSERT_EQ(owner(HUGETLB).frees, self->before.frees + demoted);

	TH_LOG("and be given back, but for what the memmap takes of it");
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	ASSERT_EQ(nr_pages(), 0);
	ASSERT_EQ(free_pages(), 0);
	ASSERT_TRUE(eventually(owner(HUGETLB).live == 0));
	ASSERT_EQ(memmap_pages(), memmap + saved);
	/* CPUs have some on the side for a while. */
	ASSERT_TRUE(eventually(free_memory() - memory_before >
			       (long)GIGANTIC_SIZE - saved * 4096 - (32L << 20)));

	TH_LOG("others can take its place");
	ASSERT_TRUE(set_gigantic(1));
	ASSERT_EQ(owner(HUGETLB).live, 1);
	ASSERT_EQ(memmap_pages(), memmap);
}

static void demote(struct __test_metadata *_metadata, const struct owner *before)
{
	long nr = get(HPAGES_1G "nr_hugepages");
	struct owner small;

	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	if (access(HPAGES_1G "demote", W_OK) ||
	    !set(HPAGES_1G "nr_hugepages", nr + 1) ||
	    get(HPAGES_1G "nr_hugepages") != nr + 1)
		SKIP(return, "no 1 GiB page to be had");

	ASSERT_TRUE(eventually(live_pages() == 0));
	ASSERT_TRUE(set(HPAGES_1G "demote", 1));

	ASSERT_EQ(get(HPAGES_1G "nr_hugepages"), nr);
	ASSERT_EQ(nr_pages(), 512);
	small = owner(HUGETLB);
	ASSERT_EQ(live_pages(), 512);

	TH_LOG("what is demoted can be used, and freed to the buddy");
	char *memory = map_huge(PAGES);

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, HPAGE_SIZE, 1);
	ASSERT_TRUE(filled(memory, PAGES, HPAGE_SIZE, 1));
	ASSERT_EQ(munmap(memory, PAGES * HPAGE_SIZE), 0);
	ASSERT_EQ(owner(HUGETLB).frees, small.frees + PAGES);
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	ASSERT_TRUE(eventually(live_pages() == 0));
}

TEST_F(hugetlb, demoted_pages_change_their_owner)
{
	set(HVO, 0);
	demote(_metadata, &self->before);
}

TEST_F(hugetlb, demoted_pages_without_memmap_change_their_owner)
{
	if (!set(HVO, 1))
		SKIP(return, "no CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP");
	demote(_metadata, &self->before);
}

TEST_F(hugetlb, is_not_private_for_user_space)
{
	char *memory = map_huge(1);
	unsigned long long flags;

	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, 1, HPAGE_SIZE, 1);
	ASSERT_NE(pfn_of(memory), 0);
	flags = page_flags(pfn_of(memory));
	ASSERT_TRUE(flags & 1ULL << KPF_HUGE);
	ASSERT_FALSE(flags & 1ULL << KPF_PRIVATE);
	ASSERT_EQ(munmap(memory, HPAGE_SIZE), 0);
}

static int move_to_node(void *page, int node)
{
	int status = -1;

	if (syscall(SYS_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE) < 0)
		return -errno;
	return status;
}

/* Both the page that is left and the one that is filled stay owned. */
static void migrate(struct __test_metadata *_metadata, char *memory,
		    const struct owner *before)
{
	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, 1, HPAGE_SIZE, 1);
	for (int i = 0; i < 4; i++) {
		int node = i % 2;
		long frees = owner(HUGETLB).frees;
		unsigned long pfn = pfn_of(memory);

		ASSERT_EQ(move_to_node(memory, node), node);
		ASSERT_TRUE(filled(memory, 1, HPAGE_SIZE, 1));
		if (pfn != pfn_of(memory))
			ASSERT_EQ(owner(HUGETLB).frees, frees + 1);
		ASSERT_FALSE(page_flags(pfn_of(memory)) & 1ULL << KPF_PRIVATE);
		ASSERT_EQ(live_pages(), nr_pages());
	}
	ASSERT_GT(owner(HUGETLB).frees, before->frees + 1);
	ASSERT_EQ(munmap(memory, HPAGE_SIZE), 0);
}

TEST_F(hugetlb, migration_of_anonymous_memory)
{
	if (get(NODE1 "free_hugepages") < 1)
		SKIP(return, "needs huge pages on a second node");
	migrate(_metadata, map_huge(1), &self->before);
	ASSERT_EQ(free_pages(), self->free);
}

TEST_F(hugetlb, migration_of_a_file)
{
	int fd = huge_memfd();

	if (get(NODE1 "free_hugepages") < 1)
		SKIP(return, "needs huge pages on a second node");
	migrate(_metadata, map_file(fd, 1), &self->before);
	ASSERT_EQ(close(fd), 0);
	ASSERT_EQ(free_pages(), self->free);
}

TEST_HARNESS_MAIN
