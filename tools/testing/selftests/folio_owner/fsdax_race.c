// SPDX-License-Identifier: GPL-2.0
/*
 * fsdax_race FILE-SYSTEM DEVICE
 *
 * On one CPU a file is written and truncated, and another file takes its
 * blocks.  On the other CPU somebody grabs pages of the first one, writes to
 * them and puts them.  None of that may be found in the other file.
 */
#include <pthread.h>
#include <sched.h>
#include "fsdax.h"

#define FILE_PATH	MOUNT "/file"
#define BYSTANDER	MOUNT "/bystander"
#define BALLAST		MOUNT "/ballast"
#define RIVAL		MOUNT "/rival"
#define ROUNDS		100
#define PATTERN		0xa5
#define RIVALS_BYTE	0x52

static const struct file_system *fs;
static const char *device;

static char *memory;
static bool stop;
static unsigned long grabbed;
static unsigned long refused;

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *grab_and_write(void *argument)
{
	struct test_folio_owner_put put = {
		.how = TEST_FOLIO_OWNER_FOLIOS_PUT,
		.refs = 1,
	};
	struct test_folio_owner_grab grab = { .nr = 1, .write = true };
	int fd = open_test_device();
	unsigned int random = 1;

	run_on(1);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		random = random * 1103515245 + 12345;
		grab.addr = (unsigned long)memory +
			    (random >> 16) % CHUNK_PAGES * 4096;
		if (ioctl(fd, TEST_FOLIO_OWNER_GRAB, &grab)) {
			__atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED);
			continue;
		}
		ioctl(fd, TEST_FOLIO_OWNER_FILL, PATTERN);
		__atomic_add_fetch(&grabbed, 1, __ATOMIC_RELAXED);
		ioctl(fd, TEST_FOLIO_OWNER_PUT, &put);
	}
	close(fd);
	return NULL;
}

/* While the other CPU can grab them, the pages are the file's. */
static void truncate_in_the_act(int fd)
{
	unsigned long before = __atomic_load_n(&grabbed, __ATOMIC_RELAXED);

	require(!fs->fallocate || !fallocate(fd, 0, 0, CHUNK), "there is space");
	require(write_chunk(fd, 0, 'a'), "the file can be written");
	require(eventually(__atomic_load_n(&grabbed, __ATOMIC_RELAXED) > before + 10),
		"pages can be grabbed");
	require(!ftruncate(fd, 0), "the file can be truncated");
	require(take_free_space(RIVAL, RIVALS_BYTE), "another one takes the blocks");
	require(has_only(RIVAL, RIVALS_BYTE), "what it has is its own");
	require(!truncate(RIVAL, 0), "it gives them back");
}

static void races(const void *huge)
{
	int fd = open(FILE_PATH, O_RDWR | O_CREAT | O_EXCL, 0644);
	pthread_t grabber;

	require(fd >= 0, "a file is made");
	memory = map_chunks(fd, 0, 1, *(const bool *)huge, MAP_SHARED);
	require(memory, "it can be mapped");
	require(write_chunk(fd, 0, 'a'), "and written");
	run_on(0);
	require(!pthread_create(&grabber, NULL, grab_and_write, NULL), "a thread");
	for (int i = 0; i < ROUNDS; i++)
		truncate_in_the_act(fd);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(grabber, NULL);
	ksft_print_msg("%lu pages grabbed, %lu refused\n", grabbed, refused);
	expect(refused, "the other CPU was in the way of a truncation");
	close(fd);
	unlink(FILE_PATH);
}

static void bystander_is_intact(const void *argument)
{
	int fd = open(BYSTANDER, O_RDONLY);

	expect(chunk_is(fd, 0, 'x'), "a file that nobody used is as it was");
	close(fd);
	expect(!unmount(0), "it can be unmounted");
	expect(check_file_system(fs, device), "it is consistent");
}

int main(int argc, char **argv)
{
	static const bool sizes[] = { false, true };

	fs = argc == 3 ? find_file_system(argv[1]) : NULL;
	if (!fs) {
		fprintf(stderr, "usage: fsdax_race FILE-SYSTEM DEVICE\n");
		return 2;
	}
	device = argv[2];

	ksft_print_header();
	need(device);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		ksft_exit_skip("needs two CPUs\n");
	claim(races, &sizes[0], "truncate against GUP-fast, PTE");
	if (fs->huge)
		claim(races, &sizes[1], "truncate against GUP-fast, PMD");
	claim(bystander_is_intact, NULL, "the file system is intact");
	ksft_set_plan(nr_claims);
	if (!make_file_system(fs, device) || !fill_up(BALLAST, 8) ||
	    close(make_file(fs, BYSTANDER, "x")))
		ksft_exit_fail_msg("no file system\n");
	for (int i = 0; i < nr_claims; i++)
		ksft_test_result(holds(&claims[i]), "%s\n", claims[i].name);
	unmount(MNT_DETACH);
	ksft_finished();
}
