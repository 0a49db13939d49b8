// SPDX-License-Identifier: GPL-2.0
/* A callback that does not end, that is, leaks its folio, is found out. */
#include <sys/syscall.h>
#include "../kselftest_harness.h"
#include "util.h"

TEST(an_owner_that_forgets_a_folio_is_reported)
{
	struct owner before;
	int fd, log, err;

	/* The device may have been used by another test, to forget. */
	if (!access(TEST_DEVICE, F_OK))
		syscall(SYS_delete_module, "test_folio_owner", 0);
	fd = open_test_device();
	if (fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	put_string("/sys/kernel/debug/clear_warn_once", "1");
	log = open_log();
	ASSERT_GE(log, 0);
	before = owner("test_forgetful");
	ASSERT_EQ(before.live, 0);

	err = ioctl(fd, TEST_FOLIO_OWNER_FORGET) ? errno : 0;
	if (err == EOPNOTSUPP)
		SKIP(return, "no CONFIG_DEBUG_VM");
	ASSERT_EQ(err, 0);
	ASSERT_NE(read_log(log, "a callback of test_forgetful did not end", "leaked"), NULL);
	ASSERT_EQ(owner("test_forgetful").frees, before.frees + 1);
	ASSERT_EQ(owner("test_forgetful").live, 1);

	TH_LOG("the module remembers when it is unloaded");
	close(fd);
	ASSERT_EQ(syscall(SYS_delete_module, "test_folio_owner", 0), 0);
	ASSERT_EQ(owner("test_forgetful").instances, 0);
}

TEST_HARNESS_MAIN
