// SPDX-License-Identifier: GPL-2.0
/* Each kind of device memory reaches its owner. */
#include <glob.h>
#include "../kselftest_harness.h"
#include "util.h"
#include <lib/test_hmm_uapi.h>

#define PAGES	16

/* Where test_hmm may put coherent memory: what memmap= reserves for it. */
#define SPM	"spm_addr_dev0=0x40000000 spm_addr_dev1=0x50000000"

static bool has_spm(void)
{
	return !system("grep -q 'memmap=512M.1G' /proc/cmdline");
}

FIXTURE(hmm)
{
	int fd;
	char *memory;
	struct owner before;
	struct hmm_dmirror_cmd cmd;
};

FIXTURE_VARIANT(hmm)
{
	const char *owner;
	const char *device;
};

FIXTURE_VARIANT_ADD(hmm, device_private)
{
	.owner = "device-private",
	.device = "/dev/hmm_dmirror0",
};

FIXTURE_VARIANT_ADD(hmm, device_coherent)
{
	.owner = "device-coherent",
	.device = "/dev/hmm_dmirror2",
};

FIXTURE_SETUP(hmm)
{
	self->fd = -1;
	self->memory = MAP_FAILED;
	if (access("/dev/hmm_dmirror0", F_OK))
		system(has_spm() ? "modprobe -q test_hmm " SPM : "modprobe -q test_hmm");
	self->fd = open(variant->device, O_RDWR);
	if (self->fd < 0)
		SKIP(return, "test_hmm has no such memory");

	self->memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill(self->memory, PAGES, 4096, 1);
	self->cmd.addr = (unsigned long)self->memory;
	self->cmd.npages = PAGES;
	self->cmd.ptr = (unsigned long)malloc(PAGES * 4096);
	ASSERT_EQ(ioctl(self->fd, HMM_DMIRROR_MIGRATE_TO_DEV, &self->cmd), 0);
	ASSERT_EQ(self->cmd.cpages, PAGES);
	self->before = owner(variant->owner);
}

FIXTURE_TEARDOWN(hmm)
{
	if (self->memory != MAP_FAILED)
		munmap(self->memory, PAGES * 4096);
	if (self->fd >= 0)
		close(self->fd);
	TH_LOG("the pages go with the device");
	system("rmmod test_hmm");
	ASSERT_EQ(owner(variant->owner).live, 0);
}

TEST_F(hmm, munmap_frees)
{
	ASSERT_GE(self->before.instances, 1);
	ASSERT_EQ(munmap(self->memory, PAGES * 4096), 0);
	self->memory = MAP_FAILED;
	ASSERT_EQ(owner(variant->owner).frees, self->before.frees + PAGES);
	ASSERT_EQ(owner(variant->owner).live, self->before.live);
}

TEST_F(hmm, migration_to_the_system_frees)
{
	ASSERT_EQ(ioctl(self->fd, HMM_DMIRROR_MIGRATE_TO_SYS, &self->cmd), 0);
	ASSERT_EQ(owner(variant->owner).frees, self->before.frees + PAGES);
	ASSERT_TRUE(filled(self->memory, PAGES, 4096, 1));
	ASSERT_EQ(munmap(self->memory, PAGES * 4096), 0);
	self->memory = MAP_FAILED;
	ASSERT_EQ(owner(variant->owner).frees, self->before.frees + PAGES);
}

#define NDCTL(action, arguments)	\
	"ndctl " action "-namespace -f " arguments " >/dev/null 2>&1"

/* A page of devdax is idle at one, and put back there by its owner. */

FIXTURE(devdax)
{
	bool created;
	int fd;
	int test;
	char *memory;
};

FIXTURE_VARIANT(devdax)
{
	enum test_folio_owner_how how;
};

FIXTURE_VARIANT_ADD(devdax, folio_put)
{
	.how = TEST_FOLIO_OWNER_FOLIO_PUT,
};

FIXTURE_VARIANT_ADD(devdax, folios_put)
{
	.how = TEST_FOLIO_OWNER_FOLIOS_PUT,
};

FIXTURE_SETUP(devdax)
{
	self->fd = -1;
	self->memory = MAP_FAILED;
	self->test = open_test_device();
	if (self->test < 0)
		SKIP(return, NO_TEST_DEVICE);
	if (access("/dev/dax0.0", F_OK))
		self->created = !system(NDCTL("create", "-e namespace0.0 -m devdax"));
	self->fd = open("/dev/dax0.0", O_RDWR);
	if (self->fd < 0)
		SKIP(return, "no /dev/dax0.0");
	self->memory = mmap(NULL, HPAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill(self->memory, 1, HPAGE_SIZE, 1);
}

FIXTURE_TEARDOWN(devdax)
{
	if (self->memory != MAP_FAILED)
		munmap(self->memory, HPAGE_SIZE);
	if (self->fd >= 0)
		close(self->fd);
	if (self->test >= 0)
		close(self->test);
	if (self->created) {
		TH_LOG("the pages go with the namespace");
		ASSERT_EQ(system(NDCTL("destroy", "namespace0.0")), 0);
		ASSERT_EQ(owner("device-generic").live, 0);
	}
}

TEST_F(devdax, is_republished)
{
	struct owner before = owner("device-generic");
	struct test_folio_owner_grab grab = {
		.addr = (unsigned long)self->memory,
		.nr = 1,
	};
	struct test_folio_owner_put put = { .how = variant->how, .refs = 1 };

	ASSERT_EQ(before.instances, 1);
	ASSERT_GT(before.live, 0);

	TH_LOG("not by a put that is not the last");
	ASSERT_EQ(ioctl(self->test, TEST_FOLIO_OWNER_GRAB, &grab), 0);
	ASSERT_EQ(ioctl(self->test, TEST_FOLIO_OWNER_PUT, &put), 0);
	ASSERT_EQ(put.count, 1);
	ASSERT_EQ(owner("device-generic").frees, before.frees);

	TH_LOG("with the idle reference gone, by its owner");
	put.refs = 2;
	ASSERT_EQ(ioctl(self->test, TEST_FOLIO_OWNER_GRAB, &grab), 0);
	ASSERT_EQ(ioctl(self->test, TEST_FOLIO_OWNER_PUT, &put), 0);
	ASSERT_EQ(put.count, 1);
	ASSERT_EQ(owner("device-generic").frees, before.frees + 1);
	ASSERT_EQ(owner("device-generic").live, before.live);

	TH_LOG("and is as good as before");
	ASSERT_TRUE(filled(self->memory, 1, HPAGE_SIZE, 1));
	put.refs = 1;
	ASSERT_EQ(ioctl(self->test, TEST_FOLIO_OWNER_GRAB, &grab), 0);
	ASSERT_EQ(ioctl(self->test, TEST_FOLIO_OWNER_PUT, &put), 0);
	ASSERT_EQ(put.count, 1);
}

TEST(p2pdma_munmap_frees)
{
	struct owner before = owner("p2pdma");
	char *memory;
	glob_t found;
	int fd;

	if (glob("/sys/bus/pci/devices/*/p2pmem/allocate", 0, NULL, &found))
		SKIP(return, "no device has a p2pdma pool");
	fd = open(found.gl_pathv[0], O_RDWR);
	ASSERT_GE(fd, 0);
	memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(memory, MAP_FAILED);
	fill(memory, PAGES, 4096, 1);
	ASSERT_TRUE(filled(memory, PAGES, 4096, 1));
	ASSERT_EQ(owner("p2pdma").frees, before.frees);
	ASSERT_EQ(munmap(memory, PAGES * 4096), 0);
	ASSERT_EQ(owner("p2pdma").frees, before.frees + PAGES);
	close(fd);
}

TEST_HARNESS_MAIN
