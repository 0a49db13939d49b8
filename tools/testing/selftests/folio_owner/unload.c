// SPDX-License-Identifier: GPL-2.0
/*
 * A module cannot be unloaded while a folio of it is alive, whoever has it.  Here
 * it is a pipe, which refers to neither a file nor a mapping of the module.
 */
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

#define MODULE		"test_folio_owner"

FIXTURE(unload)
{
	int pipes[2];
};

/* A page of the module, in a pipe and nowhere else. */
static int page_into_pipe(int fd, int pipe, off_t offset)
{
	char *memory = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, offset);
	struct iovec vec = { memory + 4096, 4096 };

	if (memory == MAP_FAILED)
		return -1;
	fill(memory, 2, 4096, 0);
	/* The first is that of the open file. */
	if (vmsplice(pipe, &vec, 1, 0) != 4096)
		return -1;
	return munmap(memory, 2 * 4096);
}

/* 0 or an error number. */
static int unload(void)
{
	return syscall(SYS_delete_module, MODULE, 0) ? errno : 0;
}

/* The last put may be on its way. */
static bool eventually_unloaded(void)
{
	return eventually(!unload());
}

FIXTURE_SETUP(unload)
{
	int fd = open_test_device();

	if (fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	close(fd);
	ASSERT_EQ(pipe(self->pipes), 0);
}

FIXTURE_TEARDOWN(unload)
{
}

TEST_F(unload, fails_as_long_as_there_is_a_folio)
{
	static char copy[2][4096];
	int fd = open_test_device();

	ASSERT_EQ(page_into_pipe(fd, self->pipes[1], 0), 0);
	ASSERT_EQ(page_into_pipe(fd, self->pipes[1], 0), 0);
	close(fd);
	ASSERT_EQ(owner(MODULE).live, 2);

	TH_LOG("it fails at once, and nothing is torn down");
	ASSERT_EQ(unload(), EWOULDBLOCK);
	ASSERT_EQ(owner(MODULE).instances, 1);
	fd = open(TEST_DEVICE, O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(page_into_pipe(fd, self->pipes[1], 0), 0);
	close(fd);

	TH_LOG("one folio less is not enough");
	ASSERT_EQ(read(self->pipes[0], copy, sizeof(copy)), sizeof(copy));
	ASSERT_TRUE(filled(copy[0], 1, 4096, 1));
	ASSERT_TRUE(filled(copy[1], 1, 4096, 1));
	ASSERT_EQ(unload(), EWOULDBLOCK);

	TH_LOG("none is");
	ASSERT_EQ(read(self->pipes[0], copy[0], 4096), 4096);
	ASSERT_TRUE(eventually_unloaded());
	ASSERT_EQ(owner(MODULE).instances, 0);
	ASSERT_NE(access(TEST_DEVICE, F_OK), 0);

	TH_LOG("and the module can be loaded again");
	ASSERT_GE(open_test_device(), 0);
}

/*
 * The last folio has gone, and so can the module; but the callback that gave it
 * up is still there.  The module warns if its exit gets by it.
 */
TEST_F(unload, waits_for_a_callback_on_its_way_out)
{
	static char copy[4096];
	int fd = open_test_device();
	pid_t child;
	int status;

	ASSERT_EQ(page_into_pipe(fd, self->pipes[1],
				 TEST_FOLIO_OWNER_LINGER * 4096), 0);
	close(fd);
	ASSERT_EQ(unload(), EWOULDBLOCK);

	child = fork();
	if (!child)
		_exit(read(self->pipes[0], copy, sizeof(copy)) != sizeof(copy));
	ASSERT_TRUE(eventually_unloaded());
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	ASSERT_GE(open_test_device(), 0);
}

TEST_HARNESS_MAIN
