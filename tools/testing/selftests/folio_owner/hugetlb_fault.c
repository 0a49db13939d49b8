// SPDX-License-Identifier: GPL-2.0
/*
 * No memory for a memmap: of pages that lost theirs and are freed, of a gigantic
 * one that is about to lose it, of one that is demoted.  Nothing is lost.  What
 * cannot be freed is in the pool again, and can be later.
 *
 * Allocations fail below one function.  A filter by task is not enough: surplus
 * pages are freed by a work item.
 */
#include "../kselftest_harness.h"
#include "fault.h"

#define HVO		"/proc/sys/vm/hugetlb_optimize_vmemmap"
#define SECONDS		3600	/* what runs it has a limit of its own */

#define RESTORE		"__hugetlb_vmemmap_restore_folio"
#define SPLIT		"vmemmap_pmd_entry"

static bool arm(const char *function, long allowed, bool by_task)
{
	return set(FAIL_PAGE_ALLOC "min-order", 0) &&
	       arm_faults(FAIL_PAGE_ALLOC, function, allowed, FAULTS, by_task);
}

/* How many have failed. */
static long disarm(void)
{
	return FAULTS - disarm_faults(FAIL_PAGE_ALLOC);
}

/* Where all of the tests begin and end. */
struct state {
	long hvo;
	long nr;
	long memmap;
	char *neighbour;	/* a huge page that is in use meanwhile */
};

static void set_up(struct __test_metadata *_metadata, struct state *state)
{
	if (!can_fail(FAIL_PAGE_ALLOC))
		SKIP(return, "no CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	state->hvo = get(HVO);
	if (!set(HVO, 1))
		SKIP(return, "no CONFIG_HUGETLB_PAGE_OPTIMIZE_VMEMMAP");
	state->nr = get(HPAGES_2M "nr_hugepages");
	set(HPAGES_1G "nr_hugepages", 0);
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 0));
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 1));
	ASSERT_TRUE(eventually(owner(HUGETLB).live == 1));
	state->neighbour = map_huge(1);
	ASSERT_NE(state->neighbour, MAP_FAILED);
	stamp(state->neighbour, HPAGE_SIZE);
	state->memmap = memmap_pages();
}

static void clean_up(struct state *state)
{
	disarm();
	munmap(state->neighbour, HPAGE_SIZE);
	/* Free pages that are surplus do not go before they are not. */
	set(HPAGES_1G "nr_hugepages", get(HPAGES_1G "nr_hugepages"));
	set(HPAGES_1G "nr_hugepages", 0);
	set(HPAGES_2M "nr_hugepages", get(HPAGES_2M "nr_hugepages"));
	set(HVO, state->hvo);
	set(HPAGES_2M "nr_hugepages", state->nr);
}

static bool has_neighbour(const struct state *state)
{
	return stamped(state->neighbour, HPAGE_SIZE);
}

/* All that is in a pool is owned, even if it could not be freed. */
static bool pools_are_owned(void)
{
	long big = get(HPAGES_1G "nr_hugepages");

	return owner(HUGETLB).live == get(HPAGES_2M "nr_hugepages") +
	       (big > 0 ? big : 0);
}

static bool can_be_used(size_t page_size, size_t pages)
{
	char *memory = map_huge_of(page_size, pages);
	bool ok;

	if (memory == MAP_FAILED)
		return false;
	stamp(memory, pages * page_size);
	ok = stamped(memory, pages * page_size);
	munmap(memory, pages * page_size);
	return ok;
}

FIXTURE(gigantic_fault)
{
	struct state state;
};

FIXTURE_SETUP(gigantic_fault)
{
	set_up(_metadata, &self->state);
}

FIXTURE_TEARDOWN(gigantic_fault)
{
	clean_up(&self->state);
}

/*
 * The page tables of its memmap are split first, as far as there is memory, then
 * the memmap is given up, as far as they are split: here halfway, and all of it
 * is taken back.  They stay split for good, so this has to be the first test.
 */
TEST_F_TIMEOUT(gigantic_fault, is_rolled_back_halfway, SECONDS)
{
	ASSERT_TRUE(arm(SPLIT, 3, true));
	if (!set_gigantic(1))
		SKIP(return, "no 1 GiB page to be had");
	TH_LOG("first all are split, then the page loses its memmap: that fails, too");
	ASSERT_GE(disarm(), 2);
	ASSERT_EQ(memmap_pages(), self->state.memmap);
	ASSERT_TRUE(pools_are_owned());

	TH_LOG("it can be used, and freed");
	ASSERT_TRUE(can_be_used(GIGANTIC_SIZE, 1));
	ASSERT_EQ(get(HPAGES_1G "free_hugepages"), 1);
	ASSERT_TRUE(set(HPAGES_1G "nr_hugepages", 0));
	ASSERT_EQ(get(HPAGES_1G "nr_hugepages"), 0);
	ASSERT_EQ(memmap_pages(), self->state.memmap);
	ASSERT_TRUE(eventually(pools_are_owned()));

	TH_LOG("when there is memory, it loses its memmap, and gets it back");
	ASSERT_TRUE(set_gigantic(1));
	ASSERT_EQ(memmap_pages(), self->state.memmap - memmap_saved(GIGANTIC_SIZE));
	ASSERT_TRUE(set(HPAGES_1G "nr_hugepages", 0));
	ASSERT_EQ(get(HPAGES_1G "nr_hugepages"), 0);
	ASSERT_EQ(memmap_pages(), self->state.memmap);
	ASSERT_TRUE(eventually(pools_are_owned()));
	ASSERT_TRUE(has_neighbour(&self->state));
}

TEST_F_TIMEOUT(gigantic_fault, is_not_demoted, SECONDS)
{
	const long demoted = GIGANTIC_SIZE / HPAGE_SIZE;
	const int tries = 8, allowed = 4000;
	long memory_before;

	if (!set_gigantic(1))
		SKIP(return, "no 1 GiB page to be had");
	memory_before = free_memory();
	for (int i = 0; i < tries; i++) {
		ASSERT_TRUE(arm(RESTORE, allowed, true));
		ASSERT_FALSE(set(HPAGES_1G "demote", 1));
		ASSERT_EQ(errno, ENOMEM);
		ASSERT_EQ(disarm(), 1);
		ASSERT_EQ(get(HPAGES_1G "nr_hugepages"), 1);
		ASSERT_EQ(get(HPAGES_1G "free_hugepages"), 1);
		ASSERT_EQ(get(HPAGES_1G "surplus_hugepages"), 0);
		ASSERT_EQ(get(HPAGES_2M "nr_hugepages"), 1);
		ASSERT_TRUE(pools_are_owned());
	}
	TH_LOG("what there was of memory is free again");
	ASSERT_LT(memory_before - free_memory(), tries * allowed * 4096L / 4);
	ASSERT_EQ(memmap_pages(), self->state.memmap - memmap_saved(GIGANTIC_SIZE));

	TH_LOG("it is demoted when there is enough");
	ASSERT_TRUE(can_be_used(GIGANTIC_SIZE, 1));
	ASSERT_TRUE(set(HPAGES_1G "demote", 1));
	ASSERT_EQ(get(HPAGES_1G "nr_hugepages"), 0);
	ASSERT_EQ(get(HPAGES_2M "nr_hugepages"), demoted + 1);
	ASSERT_TRUE(pools_are_owned());
	ASSERT_TRUE(can_be_used(HPAGE_SIZE, demoted));
	ASSERT_TRUE(set(HPAGES_2M "nr_hugepages", 1));
	ASSERT_EQ(get(HPAGES_2M "nr_hugepages"), 1);
	ASSERT_TRUE(eventually(pools_are_owned()));
	ASSERT_EQ(memmap_pages(), self->state.memmap);
	ASSERT_TRUE(has_neighbour(&self->state));
}

struct pool {
	const char *files;
	size_t page_size;
	long pages;
	long busy;	/* the neighbour, if it is of this pool */
};

FIXTURE(hugetlb_fault)
{
	struct state state;
};

FIXTURE_VARIANT(hugetlb_fault)
{
	struct pool pool;
};

FIXTURE_VARIANT_ADD(hugetlb_fault, huge)
{
	.pool = {
		.files = HPAGES_2M,
		.page_size = HPAGE_SIZE,
		.pages = 8,
		.busy = 1,
	},
};

FIXTURE_VARIANT_ADD(hugetlb_fault, gigantic)
{
	.pool = {
		.files = HPAGES_1G,
		.page_size = GIGANTIC_SIZE,
		.pages = 1,
	},
};

static char *file_of(const struct pool *pool, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s%s", pool->files, name);
	return path;
}

static bool resize(const struct pool *pool, long nr)
{
	return set(file_of(pool, "nr_hugepages"), nr);
}

static bool pool_is(const struct pool *pool, long nr,
		    long free, long surplus)
{
	return get(file_of(pool, "nr_hugepages")) == nr &&
	       get(file_of(pool, "free_hugepages")) == free &&
	       get(file_of(pool, "surplus_hugepages")) == surplus &&
	       pools_are_owned();
}

/* So many pages are without their memmap. */
static bool are_saved(const struct state *state,
		      const struct pool *pool, long pages)
{
	return memmap_pages() == state->memmap - pages * memmap_saved(pool->page_size);
}

FIXTURE_SETUP(hugetlb_fault)
{
	const struct pool *pool = &variant->pool;

	set_up(_metadata, &self->state);
	if (_metadata->exit_code)
		return;
	if (pool->page_size == GIGANTIC_SIZE) {
		if (!set_gigantic(pool->pages)) {
			clean_up(&self->state);
			SKIP(return, "no 1 GiB page to be had");
		}
	} else {
		ASSERT_TRUE(resize(pool, pool->busy + pool->pages));
	}
	ASSERT_TRUE(pool_is(pool, pool->busy + pool->pages, pool->pages, 0));
	ASSERT_TRUE(are_saved(&self->state, pool, pool->pages));
}

FIXTURE_TEARDOWN(hugetlb_fault)
{
	clean_up(&self->state);
}

/* In bulk, by who makes the pool smaller, until there is no memory in the middle of a page. */
TEST_F_TIMEOUT(hugetlb_fault, the_pool_does_not_shrink, SECONDS)
{
	const struct pool *pool = &variant->pool;
	const long all = pool->pages, freed = all / 2, left = all - freed;
	long each = memmap_saved(pool->page_size);

	ASSERT_TRUE(arm(RESTORE, freed * each + each / 2, true));
	ASSERT_TRUE(resize(pool, pool->busy));
	ASSERT_GT(disarm(), 0);
	TH_LOG("what is left of it is surplus");
	ASSERT_TRUE(eventually(pool_is(pool, pool->busy + left, left, left)));
	ASSERT_TRUE(are_saved(&self->state, pool, left));
	ASSERT_TRUE(has_neighbour(&self->state));

	TH_LOG("until it is wanted");
	ASSERT_TRUE(resize(pool, pool->busy + left));
	ASSERT_TRUE(pool_is(pool, pool->busy + left, left, 0));
	ASSERT_TRUE(can_be_used(pool->page_size, left));
	ASSERT_TRUE(pool_is(pool, pool->busy + left, left, 0));
	ASSERT_TRUE(are_saved(&self->state, pool, left));

	TH_LOG("and is freed when there is memory");
	ASSERT_TRUE(resize(pool, pool->busy));
	ASSERT_TRUE(eventually(pool_is(pool, pool->busy, 0, 0)));
	ASSERT_TRUE(are_saved(&self->state, pool, 0));
	ASSERT_TRUE(has_neighbour(&self->state));
}

/* By the last put, which leaves it to a work item. */
TEST_F_TIMEOUT(hugetlb_fault, surplus_stays_in_the_pool, SECONDS)
{
	const struct pool *pool = &variant->pool;
	const long pages = pool->pages;
	const size_t size = pages * pool->page_size;
	char *memory = map_huge_of(pool->page_size, pages);

	ASSERT_NE(memory, MAP_FAILED);
	stamp(memory, size);
	ASSERT_TRUE(resize(pool, pool->busy));
	ASSERT_TRUE(pool_is(pool, pool->busy + pages, 0, pages));

	ASSERT_TRUE(arm(RESTORE, memmap_saved(pool->page_size) / 2, false));
	ASSERT_TRUE(stamped(memory, size));
	ASSERT_EQ(munmap(memory, size), 0);
	TH_LOG("it is not freed");
	ASSERT_TRUE(eventually(pool_is(pool, pool->busy + pages, pages, pages)));
	ASSERT_GT(disarm(), 0);
	ASSERT_TRUE(are_saved(&self->state, pool, pages));
	ASSERT_TRUE(has_neighbour(&self->state));

	TH_LOG("it can be used, and is freed when there is memory");
	ASSERT_TRUE(can_be_used(pool->page_size, pages));
	ASSERT_TRUE(eventually(pool_is(pool, pool->busy, 0, 0)));
	ASSERT_TRUE(eventually(are_saved(&self->state, pool, 0)));
	ASSERT_TRUE(has_neighbour(&self->state));
}

TEST_HARNESS_MAIN
