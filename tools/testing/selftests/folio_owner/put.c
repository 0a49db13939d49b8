// SPDX-License-Identifier: GPL-2.0
/*
 * The last put of an owned folio reaches its owner, whichever function of
 * mm/swap.c makes it.  Each test fails if the test for an owner is missing in
 * the one that it is about.
 */
#include "../kselftest_harness.h"
#include "util.h"

#define PAGES	40	/* more than a folio_batch holds */

FIXTURE(put)
{
	int fd;
	char *memory;
	size_t stride;
	size_t pages;
};

FIXTURE_VARIANT(put)
{
	const char *owner;
	enum test_folio_owner_how how;
};

FIXTURE_VARIANT_ADD(put, hugetlb_folio_put)
{
	.owner = HUGETLB,
	.how = TEST_FOLIO_OWNER_FOLIO_PUT,
};

FIXTURE_VARIANT_ADD(put, hugetlb_folios_put)
{
	.owner = HUGETLB,
	.how = TEST_FOLIO_OWNER_FOLIOS_PUT,
};

FIXTURE_VARIANT_ADD(put, hugetlb_from_hardirq)
{
	.owner = HUGETLB,
	.how = TEST_FOLIO_OWNER_HARDIRQ_PUT,
};

FIXTURE_VARIANT_ADD(put, module_from_hardirq)
{
	.owner = "test_folio_owner",
	.how = TEST_FOLIO_OWNER_HARDIRQ_PUT,
};

/* Nobody can put hugetlb folios on such a list: hugetlb uses folio->lru. */
FIXTURE_VARIANT_ADD(put, module_put_pages_list)
{
	.owner = "test_folio_owner",
	.how = TEST_FOLIO_OWNER_PUT_PAGES_LIST,
};

FIXTURE_VARIANT_ADD(put, module_folio_put)
{
	.owner = "test_folio_owner",
	.how = TEST_FOLIO_OWNER_FOLIO_PUT,
};

FIXTURE_VARIANT_ADD(put, module_folios_put)
{
	.owner = "test_folio_owner",
	.how = TEST_FOLIO_OWNER_FOLIOS_PUT,
};

FIXTURE_SETUP(put)
{
	bool hugetlb = !strcmp(variant->owner, HUGETLB);

	self->fd = open_test_device();
	if (self->fd < 0)
		SKIP(return, NO_TEST_DEVICE);

	self->pages = PAGES;
	if (hugetlb) {
		if (get(HPAGES_2M "free_hugepages") < PAGES)
			SKIP(return, "needs 40 free huge pages");
		self->stride = HPAGE_SIZE;
		self->memory = map_huge(PAGES);
	} else {
		self->stride = 4096;
		self->memory = mmap(NULL, (PAGES + 1) * 4096, PROT_READ | PROT_WRITE,
				    MAP_SHARED, self->fd, 0);
	}
	ASSERT_NE(self->memory, MAP_FAILED);
	fill(self->memory, PAGES, self->stride, 1);
}

FIXTURE_TEARDOWN(put)
{
	if (self->fd >= 0)
		close(self->fd);
}

TEST_F(put, reaches_the_owner)
{
	bool hugetlb = self->stride == HPAGE_SIZE;
	/* The first page of the device belongs to the open file. */
	char *first = self->memory + (hugetlb ? 0 : self->stride);
	struct test_folio_owner_grab grab = {
		.addr = (unsigned long)first,
		.stride = self->stride,
		.nr = PAGES,
	};
	struct test_folio_owner_put put = { .how = variant->how, .refs = 1 };
	struct owner before, after;
	long free;

	ASSERT_EQ(ioctl(self->fd, TEST_FOLIO_OWNER_GRAB, &grab), 0);
	before = owner(variant->owner);
	free = get(HPAGES_2M "free_hugepages");

	TH_LOG("a page that is unmapped, but referenced, is not freed");
	ASSERT_EQ(munmap(self->memory, (PAGES + !hugetlb) * self->stride), 0);
	after = owner(variant->owner);
	ASSERT_EQ(after.frees, before.frees);
	ASSERT_EQ(after.live, before.live);
	ASSERT_EQ(get(HPAGES_2M "free_hugepages"), free);

	TH_LOG("its last put calls the owner, once");
	ASSERT_EQ(ioctl(self->fd, TEST_FOLIO_OWNER_PUT, &put), 0);
	after = owner(variant->owner);
	ASSERT_EQ(after.frees, before.frees + PAGES);
	ASSERT_EQ(after.live, before.live - (hugetlb ? 0 : PAGES));
	ASSERT_EQ(get(HPAGES_2M "free_hugepages"), free + (hugetlb ? PAGES : 0));

	TH_LOG("in batches, if the owner has a use for them");
	ASSERT_EQ(after.batched - before.batched,
		  hugetlb && variant->how == TEST_FOLIO_OWNER_FOLIOS_PUT ?
		  PAGES : 0);
}

TEST_HARNESS_MAIN
