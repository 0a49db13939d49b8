// SPDX-License-Identifier: GPL-2.0
/* folio_drain waits for the last foreign reference, or changes nothing. */
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

FIXTURE(drain)
{
	int fd;
	char *memory;
	long drains;
	long last_puts;
};

FIXTURE_SETUP(drain)
{
	self->fd = open_test_device();
	if (self->fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	self->memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			    self->fd, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	fill(self->memory, 1, 4096, 1);
	self->drains = owner("test_folio_owner").drains;
	self->last_puts = owner("drain").frees;
}

FIXTURE_TEARDOWN(drain)
{
	if (self->fd >= 0)
		close(self->fd);
}

static int drain(int fd, unsigned int ms, bool killable)
{
	struct test_folio_owner_drain drain = {
		.timeout_ms = ms,
		.killable = killable,
	};

	return ioctl(fd, TEST_FOLIO_OWNER_DRAIN, &drain) ? -errno : 0;
}

static struct test_folio_owner_status status(int fd)
{
	struct test_folio_owner_status status = { .count = -1 };

	ioctl(fd, TEST_FOLIO_OWNER_STATUS, &status);
	return status;
}

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

TEST_F(drain, without_foreign_references_is_immediate)
{
	ASSERT_EQ(status(self->fd).count, 2);
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(drain(self->fd, 0, false), 0);
	ASSERT_EQ(status(self->fd).count, 1);
	ASSERT_TRUE(status(self->fd).owned);
	ASSERT_EQ(owner("test_folio_owner").drains, self->drains + 1);
	ASSERT_EQ(owner("drain").frees, self->last_puts);
}

TEST_F(drain, times_out)
{
	long start = now_ms();

	ASSERT_EQ(drain(self->fd, 200, false), -ETIMEDOUT);
	ASSERT_GE(now_ms() - start, 150);
	ASSERT_EQ(status(self->fd).count, 2);
	ASSERT_TRUE(status(self->fd).owned);
	ASSERT_TRUE(filled(self->memory, 1, 4096, 1));

	TH_LOG("and can be tried again");
	ASSERT_EQ(drain(self->fd, 1, false), -ETIMEDOUT);
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(drain(self->fd, 1, false), 0);
	ASSERT_EQ(owner("test_folio_owner").drains, self->drains + 3);
}

TEST_F(drain, ends_with_the_last_munmap)
{
	long start = now_ms();
	pid_t child = fork();

	if (!child) {
		sleep_ms(300);
		munmap(self->memory, 4096);
		pause();
		_exit(1);
	}
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(drain(self->fd, 20000, false), 0);
	ASSERT_GE(now_ms() - start, 250);
	ASSERT_EQ(owner("drain").frees, self->last_puts + 1);
	ASSERT_EQ(status(self->fd).count, 1);
	ASSERT_TRUE(status(self->fd).owned);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);

	TH_LOG("and the content has not changed");
	self->memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(self->memory, MAP_FAILED);
	ASSERT_TRUE(filled(self->memory, 1, 4096, 1));
}

TEST_F(drain, ends_with_the_death_of_who_maps_it)
{
	pid_t child = fork();

	if (!child)
		pause();
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(drain(self->fd, 100, false), -ETIMEDOUT);
	kill(child, SIGKILL);
	ASSERT_EQ(drain(self->fd, 20000, false), 0);
	waitpid(child, NULL, 0);
}

/* A reference that no unmapping takes away. */
TEST_F(drain, waits_for_a_pipe)
{
	struct iovec page = { self->memory, 4096 };
	static char copy[4096];
	pid_t child;
	int pipes[2];

	ASSERT_EQ(pipe(pipes), 0);
	ASSERT_EQ(vmsplice(pipes[1], &page, 1, 0), 4096);
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(drain(self->fd, 100, false), -ETIMEDOUT);
	ASSERT_EQ(status(self->fd).count, 2);

	child = fork();
	if (!child) {
		sleep_ms(200);
		_exit(read(pipes[0], copy, 4096) != 4096 ||
		      !filled(copy, 1, 4096, 1));
	}
	ASSERT_EQ(drain(self->fd, 20000, false), 0);
	int result;

	ASSERT_EQ(waitpid(child, &result, 0), child);
	ASSERT_EQ(result, 0);
}

TEST_F(drain, of_a_killed_waiter_changes_nothing)
{
	pid_t child = fork();
	int result;

	/* The two processes have a reference each, by their mappings. */
	if (!child)
		_exit(-drain(self->fd, 60000, true));

	TH_LOG("meanwhile the folio belongs to the drain");
	ASSERT_TRUE(eventually(!status(self->fd).owned));
	ASSERT_EQ(status(self->fd).count, 2);

	kill(child, SIGKILL);
	ASSERT_EQ(waitpid(child, &result, 0), child);
	ASSERT_TRUE(WIFSIGNALED(result));
	ASSERT_EQ(status(self->fd).count, 2);
	ASSERT_TRUE(status(self->fd).owned);
	ASSERT_TRUE(filled(self->memory, 1, 4096, 1));

	TH_LOG("so that another one can succeed");
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(drain(self->fd, 0, true), 0);
}

/* Lookups do not stop during a drain: here it is GUP that does them. */
TEST_F(drain, lets_references_come_and_go)
{
	struct test_folio_owner_grab grab = {
		.addr = (unsigned long)self->memory,
		.stride = 0,
		.nr = 20,
	};
	struct test_folio_owner_put put = { .refs = 1 };
	pid_t child = fork();
	int result;

	if (!child) {
		munmap(self->memory, 4096);
		_exit(-drain(self->fd, 20000, false));
	}
	ASSERT_TRUE(eventually(!status(self->fd).owned));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(ioctl(self->fd, TEST_FOLIO_OWNER_GRAB, &grab), 0);
		put.how = i % 2;
		ASSERT_EQ(ioctl(self->fd, TEST_FOLIO_OWNER_PUT, &put), 0);
	}
	ASSERT_EQ(waitpid(child, &result, WNOHANG), 0);
	ASSERT_EQ(munmap(self->memory, 4096), 0);
	ASSERT_EQ(waitpid(child, &result, 0), child);
	ASSERT_EQ(result, 0);
	ASSERT_EQ(status(self->fd).count, 1);
}

TEST_HARNESS_MAIN
