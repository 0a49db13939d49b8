// SPDX-License-Identifier: GPL-2.0
/*
 * Start, wait and cancel of folio_drain against puts on another CPU: every
 * drain ends in one of two ways, and each of the ways to get there is taken.
 */
#include <sched.h>
#include "../kselftest_harness.h"
#include "util.h"

#define SECONDS	40

FIXTURE(race)
{
	int fd;
};

FIXTURE_SETUP(race)
{
	self->fd = open_test_device();
	if (self->fd < 0)
		SKIP(return, NO_TEST_DEVICE);
}

FIXTURE_TEARDOWN(race)
{
	if (self->fd >= 0)
		close(self->fd);
}

TEST_F_TIMEOUT(race, of_waiter_and_putter, 2 * SECONDS)
{
	struct test_folio_owner_race race = {
		.want = 50,
		.timeout_ms = SECONDS * 1000,
	};
	struct owner before;
	cpu_set_t first;

	/* The other thread is bound to any CPU but this one. */
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	before = owner("test_folio_owner");

	if (ioctl(self->fd, TEST_FOLIO_OWNER_RACE, &race) && errno == ENXIO)
		SKIP(return, "needs two CPUs");
	TH_LOG("%llu rounds: %llu fast, %llu slow, %llu cancelled, %llu too late to cancel",
	       race.rounds, race.fast, race.slow, race.cancelled, race.lost);
	EXPECT_EQ(race.broken, 0);
	EXPECT_GE(race.fast, race.want);
	EXPECT_GE(race.slow, race.want);
	EXPECT_GE(race.cancelled, race.want);
	EXPECT_GE(race.lost, race.want);
	EXPECT_EQ(race.fast + race.slow + race.cancelled + race.lost, race.rounds);

	TH_LOG("and nothing is left of the folio");
	EXPECT_EQ(owner("test_folio_owner").live, before.live);
	EXPECT_EQ(owner("test_folio_owner").frees, before.frees + 1);
	EXPECT_EQ(owner("test_folio_owner").drains - before.drains, (long)race.rounds);
}

TEST_HARNESS_MAIN
