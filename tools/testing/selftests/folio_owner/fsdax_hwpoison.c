// SPDX-License-Identifier: GPL-2.0
/*
 * fsdax_hwpoison FILE-SYSTEM DEVICE
 *
 * Memory failure on a page of a file: who maps it is told where, and all else
 * goes on.  Leaves poisoned memory behind: for a machine that is thrown away.
 */
#include <setjmp.h>
#include "fsdax.h"

#define PINNED		88

static const struct file_system *fs;
static const char *device;

struct scenario {
	bool huge;
	bool pinned;
};

static siginfo_t info;
static sigjmp_buf landing;

static void on_sigbus(int number, siginfo_t *what, void *context)
{
	info = *what;
	siglongjmp(landing, 1);
}

/* The page goes bad, and is touched. */
static void poison(char *page)
{
	struct sigaction action = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGBUS, &action, NULL);
	if (sigsetjmp(landing, 1))
		return;
	require(!madvise(page, 4096, MADV_HWPOISON), "a page can be poisoned (%s)",
		strerror(errno));
	__atomic_store_n(page, 1, __ATOMIC_RELAXED);
}

static void is_told(const void *argument)
{
	const struct scenario *scenario = argument;
	char *memory, *page, name[64];
	int fd;

	snprintf(name, sizeof(name), MOUNT "/file-%d", getpid());
	fd = make_file(fs, name, "abc");
	require(fd >= 0, "a file is written");
	memory = map_chunks(fd, CHUNK, 1, scenario->huge, MAP_SHARED);
	require(memory, "it can be mapped");
	page = memory + PINNED * 4096;
	page[64] = 1;
	require(is_huge(memory) == scenario->huge, "it is mapped as wanted");
	if (scenario->pinned)
		require(grab_take(page), "the page can be pinned");

	poison(page);
	expect(info.si_signo == SIGBUS, "SIGBUS comes");
	expect(info.si_code == BUS_MCEERR_AR, "because of a memory error");
	expect((unsigned long)info.si_addr >> info.si_addr_lsb ==
	       (unsigned long)page >> info.si_addr_lsb, "with the address of the page");
	expect(info.si_addr_lsb == (scenario->huge ? 21 : 12),
	       "and the size of the mapping, not %d", info.si_addr_lsb);

	if (scenario->pinned)
		expect(grab_put(0), "the page can be put");
	munmap(memory, CHUNK);
	expect(chunk_is(fd, 0, 'a') && chunk_is(fd, 2 * CHUNK, 'c'),
	       "the rest of the file is as it was");
	expect(write_chunk(fd, 0, 'd'), "and can be written");
	close(fd);
}

static void ends_well(const void *argument)
{
	expect(!unmount(0), "the file system can be unmounted");
	expect(check_file_system(fs, device), "it is consistent");
}

int main(int argc, char **argv)
{
	static struct scenario scenarios[2][2];

	fs = argc == 3 ? find_file_system(argv[1]) : NULL;
	if (!fs) {
		fprintf(stderr, "usage: fsdax_hwpoison FILE-SYSTEM DEVICE\n");
		return 2;
	}
	device = argv[2];
	ksft_print_header();
	need(device);

	for (int huge = 0; huge <= fs->huge; huge++) {
		for (int pinned = 0; pinned < 2; pinned++) {
			scenarios[huge][pinned] = (struct scenario){ huge, pinned };
			claim(is_told, &scenarios[huge][pinned],
			      "SIGBUS for a poisoned page, %s%s", huge ? "PMD" : "PTE",
			      pinned ? ", pinned" : "");
		}
	}
	claim(ends_well, NULL, "the file system is intact");
	ksft_set_plan(nr_claims);
	if (!make_file_system(fs, device))
		ksft_exit_fail_msg("no file system\n");
	for (int i = 0; i < nr_claims; i++)
		ksft_test_result(holds(&claims[i]), "%s\n", claims[i].name);
	unmount(MNT_DETACH);
	ksft_finished();
}
