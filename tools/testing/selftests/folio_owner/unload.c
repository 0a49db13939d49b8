// SPDX-License-Identifier: GPL-2.0
/*
 * A module is not unloaded while a folio of it is alive, whoever has it.  Here
 * it is a pipe, which refers to neither a file nor a mapping of the module.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

#define MODULE		"test_folio_owner"
#define REPORT_SECS	"/sys/module/folio_owner/parameters/exit_report_secs"

FIXTURE(unload)
{
	long secs;
	int log;
	int pipes[2];
};

/* Pages of the module, in a pipe and nowhere else. */
static int pages_into_pipe(int fd, int pipe, size_t pages)
{
	char *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
	struct iovec vec = { memory, pages * 4096 };

	if (memory == MAP_FAILED)
		return -1;
	fill(memory, pages, 4096, 1);
	if (vmsplice(pipe, &vec, 1, 0) != (ssize_t)(pages * 4096))
		return -1;
	return munmap(memory, pages * 4096);
}

/* Without the pipe: if the test fails, its end is the end of the pipe. */
static pid_t start_unload(const int *pipes)
{
	pid_t child = fork();

	if (!child) {
		close(pipes[0]);
		close(pipes[1]);
		_exit(syscall(SYS_delete_module, MODULE, 0) ? errno : 0);
	}
	return child;
}

FIXTURE_SETUP(unload)
{
	int fd = open_test_device();

	if (fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	self->secs = get(REPORT_SECS);
	ASSERT_TRUE(set(REPORT_SECS, 1));
	self->log = open_log();
	ASSERT_GE(self->log, 0);
	ASSERT_EQ(pipe(self->pipes), 0);
	ASSERT_EQ(pages_into_pipe(fd, self->pipes[1], 2), 0);
	close(fd);
}

FIXTURE_TEARDOWN(unload)
{
	set(REPORT_SECS, self->secs);
}

TEST_F(unload, waits_for_the_last_folio)
{
	static char copy[2][4096];
	int result;
	pid_t child;

	ASSERT_EQ(owner(MODULE).live, 2);
	child = start_unload(self->pipes);

	TH_LOG("it says what it is waiting for, and who has it");
	ASSERT_NE(read_log(self->log, "test_folio_owner of test_folio_owner is shut down",
			   "owns 2 folios"), NULL);
	ASSERT_NE(read_log(self->log, "(test_folio_owner)", "owner:"), NULL);
	ASSERT_NE(read_log(self->log, "page dumped because",
			   "keeps its owner from going away"), NULL);
	ASSERT_EQ(waitpid(child, &result, WNOHANG), 0);
	ASSERT_EQ(owner(MODULE).instances, 1);
	ASSERT_NE(access(TEST_DEVICE, F_OK), 0);

	TH_LOG("one folio less is not enough");
	ASSERT_EQ(read(self->pipes[0], copy[0], 4096), 4096);
	ASSERT_NE(read_log(self->log, "test_folio_owner of test_folio_owner is shut down",
			   "owns 1 folios"), NULL);
	ASSERT_EQ(waitpid(child, &result, WNOHANG), 0);

	TH_LOG("the last put ends the wait");
	ASSERT_EQ(read(self->pipes[0], copy[1], 4096), 4096);
	ASSERT_EQ(waitpid(child, &result, 0), child);
	ASSERT_EQ(result, 0);
	ASSERT_EQ(owner(MODULE).instances, 0);
	ASSERT_TRUE(filled(copy[0], 2, 4096, 1));

	TH_LOG("and the module can be loaded again");
	ASSERT_GE(open_test_device(), 0);
}

/* The report takes a reference to a folio, which may be the last for a moment. */
TEST_F(unload, is_not_disturbed_by_reports)
{
	static char copy[2 * 4096];
	int result;
	pid_t child;

	child = start_unload(self->pipes);
	ASSERT_NE(read_log(self->log, "is shut down", "owns 2 folios"), NULL);
	sleep_ms(50);
	ASSERT_EQ(read(self->pipes[0], copy, sizeof(copy)), sizeof(copy));
	ASSERT_EQ(waitpid(child, &result, 0), child);
	ASSERT_EQ(result, 0);
	ASSERT_EQ(owner(MODULE).instances, 0);
}

TEST_HARNESS_MAIN
