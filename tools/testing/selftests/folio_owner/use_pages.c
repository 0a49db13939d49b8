// SPDX-License-Identifier: GPL-2.0
/* use_pages hugetlb|device-private|devdax N: has N pages freed, for demo.sh. */
#include "util.h"
#include <lib/test_hmm_uapi.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int use_hugetlb(size_t pages)
{
	char *memory = map_huge(pages);

	if (memory == MAP_FAILED)
		return fail("map huge pages");
	fill(memory, pages, HPAGE_SIZE, 1);
	return munmap(memory, pages * HPAGE_SIZE);
}

static int use_device_private(size_t pages)
{
	struct hmm_dmirror_cmd cmd = { .npages = pages };
	int fd = open("/dev/hmm_dmirror0", O_RDWR);
	char *memory;

	if (fd < 0)
		return fail("/dev/hmm_dmirror0");
	memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill(memory, pages, 4096, 1);
	cmd.addr = (unsigned long)memory;
	cmd.ptr = (unsigned long)malloc(pages * 4096);
	if (ioctl(fd, HMM_DMIRROR_MIGRATE_TO_DEV, &cmd))
		return fail("migrate to the device");
	return munmap(memory, pages * 4096);
}

/* Devdax pages are never unused by themselves: drop the idle reference, too. */
static int use_devdax(size_t pages)
{
	struct test_folio_owner_put put = { .refs = 2 };
	struct test_folio_owner_grab grab = { .stride = HPAGE_SIZE, .nr = pages };
	int fd = open("/dev/dax0.0", O_RDWR), test = open_test_device();
	char *memory;

	if (fd < 0 || test < 0)
		return fail("/dev/dax0.0, " TEST_DEVICE);
	memory = mmap(NULL, pages * HPAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return fail("map /dev/dax0.0");
	fill(memory, pages, HPAGE_SIZE, 1);
	grab.addr = (unsigned long)memory;
	if (ioctl(test, TEST_FOLIO_OWNER_GRAB, &grab))
		return fail("grab");
	munmap(memory, pages * HPAGE_SIZE);
	if (ioctl(test, TEST_FOLIO_OWNER_PUT, &put))
		return fail("put");
	return 0;
}

int main(int argc, char **argv)
{
	size_t pages = argc == 3 ? atoi(argv[2]) : 0;

	if (pages && !strcmp(argv[1], "hugetlb"))
		return use_hugetlb(pages);
	if (pages && !strcmp(argv[1], "device-private"))
		return use_device_private(pages);
	if (pages && !strcmp(argv[1], "devdax"))
		return use_devdax(pages);
	fprintf(stderr, "usage: use_pages hugetlb|device-private|devdax PAGES\n");
	return 2;
}
