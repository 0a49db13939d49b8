// SPDX-License-Identifier: GPL-2.0
/*
 * fsdax FILE-SYSTEM DEVICE [DISK [TEXT]]
 *
 * Blocks of a file do not go to another one while a page of them is pinned:
 * what would take them away waits for the pin.  On a new file system of this
 * kind, on this device; DISK is slow enough to have a read in flight for as
 * long as it takes to look.  With TEXT, only what has it in its name.
 */
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <mm/gup_test.h>
#include <sys/inotify.h>
#include "fsdax.h"

#define FILE_PATH	MOUNT "/file"
#define OTHER_PATH	MOUNT "/other"	/* a file for reflink */
#define BALLAST		MOUNT "/ballast"
#define SLACK		MOUNT "/slack"
#define RIVAL		MOUNT "/rival"	/* takes what is free */

/* The page that gets pinned, in the second chunk of three. */
#define LAYOUT		"abc"
#define PINNED		88
#define PATTERN		((char)0xa5)
#define RIVALS_BYTE	0x52

static const struct file_system *fs;
static const char *device;

/* Operations: on the second chunk, where the file is not just cut. */

struct operation {
	const char *name;
	bool (*is_there)(void);
	int (*run)(int fd);
	const char *then;	/* the file's layout afterwards */
};

static bool everywhere(void)
{
	return true;
}

static bool has_fallocate(void)
{
	return fs->fallocate;
}

static bool has_reflink(void)
{
	return fs->reflink;
}

static int run_truncate(int fd)
{
	return ftruncate(fd, CHUNK);
}

static int run_punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, CHUNK, CHUNK);
}

static int run_zero(int fd)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, CHUNK, CHUNK);
}

static int run_collapse(int fd)
{
	return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, CHUNK, CHUNK);
}

static int run_insert(int fd)
{
	return fallocate(fd, FALLOC_FL_INSERT_RANGE, CHUNK, CHUNK);
}

static int clone_chunk(int from, off_t offset, int to, off_t target)
{
	struct file_clone_range range = {
		.src_fd = from,
		.src_offset = offset,
		.src_length = CHUNK,
		.dest_offset = target,
	};

	return ioctl(to, FICLONERANGE, &range);
}

static int run_reflink_into(int fd)
{
	return clone_chunk(open(OTHER_PATH, O_RDONLY), 0, fd, CHUNK);
}

static int run_reflink_from(int fd)
{
	return clone_chunk(fd, CHUNK, open(OTHER_PATH, O_RDWR), 0);
}

static const struct operation operations[] = {
	{ "truncate", everywhere, run_truncate, "a" },
	{ "punch hole", has_fallocate, run_punch, "azc" },
	{ "zero range", has_fallocate, run_zero, "azc" },
	{ "collapse range", has_fallocate, run_collapse, "ac" },
	{ "insert range", has_fallocate, run_insert, "azbc" },
	{ "reflink into", has_reflink, run_reflink_into, "aoc" },
	{ "reflink from", has_reflink, run_reflink_from, "abc" },
};

/* What is tried: an operation, while a page is pinned. */
struct scenario {
	const struct operation *operation;
	const struct pin *pin;
	bool huge;
	bool mapped;	/* during the operation, too */
	bool private;
	bool watched;	/* by inotify, which keeps the inode */
};

/* The file, and its page. */
static int file;
static char *memory;
static char *page;
static char page_byte;

static void make_mapped_file(const struct scenario *scenario)
{
	int other;

	other = make_file(fs, OTHER_PATH, "o");
	require(other >= 0, "a file is written");
	close(other);
	file = make_file(fs, FILE_PATH, LAYOUT);
	require(file >= 0, "another file is written");
	memory = map_chunks(file, CHUNK, 1, scenario->huge,
			    scenario->private ? MAP_PRIVATE : MAP_SHARED);
	require(memory, "the file can be mapped");
	page = memory + PINNED * 4096;
	page_byte = byte_of('b', PINNED);
	require(has_byte(page, page_byte), "the mapping has the content of the file");
	if (!scenario->private)
		page[64] = 1;
	require(is_huge(memory) == scenario->huge, "it is mapped by a %s",
		scenario->huge ? "PMD" : "PTE");
}

static void make_pinned_file(const struct scenario *scenario)
{
	make_mapped_file(scenario);
	require(scenario->pin->take(page), "the page can be pinned (%s)",
		strerror(errno));
	if (!scenario->mapped)
		munmap(memory, CHUNK);
	if (scenario->watched)
		require(inotify_add_watch(inotify_init(), FILE_PATH, IN_OPEN) >= 0,
			"the file can be watched");
}

/* As chunk_is(), and knows what the pinned page has in it. */
static bool pages_are(int fd, off_t offset, char content)
{
	if (content == 'b')
		return chunk_is_but(fd, offset, content, PINNED, page_byte);
	return chunk_is(fd, offset, content);
}

static bool file_is(int fd, const char *layout)
{
	struct stat stat;

	if (fstat(fd, &stat) || stat.st_size != (off_t)(strlen(layout) * CHUNK))
		return false;
	for (int i = 0; layout[i]; i++)
		if (!pages_are(fd, i * CHUNK, layout[i]))
			return false;
	return true;
}

static int run_operation(void *argument)
{
	const struct scenario *scenario = argument;

	return scenario->operation->run(file) ? errno : 0;
}

/* Something to write through the pin; or the disk does that. */
static void write_through(const struct pin *pin)
{
	if (!pin->write)
		return;
	expect(pin->write(PATTERN), "the pin can be used");
	page_byte = PATTERN;
}

static int touch(void *argument)
{
	page[65]++;
	return page[64] != 1;
}

/* A fault of the page that somebody waits for, in a process that may hang. */
static void touch_page(void)
{
	pid_t pid;

	madvise(memory, CHUNK, MADV_DOFORK);
	pid = start(touch, NULL);
	madvise(memory, CHUNK, MADV_DONTFORK);
	expect(!ends(pid, LIMIT_MS), "a fault of the page succeeds meanwhile");
	expect(page[65] == 1, "and finds what was there");
}

static void operation_waits(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct operation *operation = scenario->operation;
	const struct pin *pin = scenario->pin;
	/* On a slow machine it may end at any time: what counts is seen before. */
	bool by_itself = pin == &pin_by_direct_read;
	bool asleep, again = true, still, quiet, held;
	long switches;
	pid_t pid;

	make_pinned_file(scenario);
	pid = start(run_operation, (void *)scenario);
	asleep = falls_asleep(pid);
	expect(asleep || (by_itself && !pin->is_held()), "it waits");
	if (asleep && scenario->mapped) {
		touch_page();
		again = falls_asleep(pid);
	}
	switches = switches_of(pid);

	expect(take_free_space(RIVAL, RIVALS_BYTE), "other files take what is free");
	unlink(SLACK);
	write_through(pin);
	still = stays_asleep(pid);
	quiet = switches_of(pid) == switches;
	held = pin->is_held();
	expect(held || by_itself, "the pin is held until here");
	if (asleep && held) {
		expect(again, "it waits again after the fault");
		expect(still, "it still waits");
		expect(quiet, "it costs no CPU time");
	}
	if (by_itself)
		page_byte = 0;

	expect(pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
	expect(has_only(RIVAL, RIVALS_BYTE), "what other files have is theirs");
	expect(take_free_space(RIVAL, RIVALS_BYTE), "they take the rest");
	expect(has_only(RIVAL, RIVALS_BYTE), "which is theirs, too");
	expect(!truncate(RIVAL, 0), "and give it back");
	expect(file_is(file, operation->then), "the file is as it should be");
	expect(write_chunk(file, 0, 'd') && pages_are(file, 0, 'd'),
	       "and can be used");
}

static void operation_dies(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct pin *pin = scenario->pin;
	pid_t pid;

	make_pinned_file(scenario);
	pid = start(run_operation, (void *)scenario);
	expect(falls_asleep(pid), "it waits");
	kill(pid, SIGKILL);
	expect(killed(ends(pid, LIMIT_MS)), "SIGKILL ends the wait");
	expect(file_is(file, LAYOUT), "the file is as it was");

	expect(take_free_space(RIVAL, RIVALS_BYTE), "other files take what is free");
	write_through(pin);
	expect(has_only(RIVAL, RIVALS_BYTE), "what they have is theirs");
	expect(file_is(file, LAYOUT), "what the pin is used for is in the file");
	memory = map_chunks(file, CHUNK, 1, scenario->huge, MAP_SHARED);
	expect(has_byte(memory + PINNED * 4096, page_byte), "and in a new mapping");
	munmap(memory, CHUNK);
	expect(write_chunk(file, 0, 'd') && pages_are(file, 0, 'd'),
	       "it can be written");
	expect(write_chunk(file, 0, 'a'), "and written again");
	expect(!truncate(RIVAL, 0), "other files give back what they have");

	pid = start(run_operation, (void *)scenario);
	expect(falls_asleep(pid), "another one waits, too");
	expect(pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
	expect(file_is(file, scenario->operation->then), "the file is as it should be");
}

/* Two processes, and one page. */

static int punch_page(void *argument)
{
	int fd = open(FILE_PATH, O_RDWR);

	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 CHUNK + PINNED * 4096, 4096) ? errno : 0;
}

static void two_wait(const void *argument)
{
	const struct scenario *scenario = argument;
	pid_t one, other;

	make_pinned_file(scenario);
	one = start(punch_page, NULL);
	other = start(punch_page, NULL);
	expect(falls_asleep(one) && falls_asleep(other), "both wait");
	write_through(scenario->pin);
	expect(stays_asleep(one) && stays_asleep(other), "both still wait");
	expect(scenario->pin->put(page_byte), "the pin goes");
	expect(!ends(one, LIMIT_MS) && !ends(other, LIMIT_MS), "both end, and succeed");
	page_byte = 0;
	expect(file_is(file, LAYOUT), "the page is gone, and nothing else");
}

/* Removal of a file, which nobody waits for. */

static int run_unlink(void *argument)
{
	return unlink(FILE_PATH) ? errno : 0;
}

static void unlink_defers(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct pin *pin = scenario->pin;
	unsigned long before, all;
	pid_t pid;

	make_pinned_file(scenario);
	close(file);
	before = free_bytes_now();
	all = before + strlen(LAYOUT) * CHUNK;
	pid = start(run_unlink, NULL);
	expect(!ends(pid, LIMIT_MS), "unlink does not wait");
	/* What is done in the background is soon done. */
	sleep_ms(100);
	expect(free_bytes_now() < all, "but its blocks are not free");
	expect(take_free_space(RIVAL, RIVALS_BYTE), "other files take what is free");
	write_through(pin);
	expect(has_only(RIVAL, RIVALS_BYTE), "what they have is theirs");

	expect(pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(!truncate(RIVAL, 0), "the others give back what they have");
	expect(eventually(free_bytes_now() >= all), "all is free in the end");
	expect(take_free_space(RIVAL, RIVALS_BYTE), "they take it");
	expect(has_only(RIVAL, RIVALS_BYTE), "and it is theirs");
}

/* Removal of a file by the process that has a page of it in a pipe. */
struct farewell {
	const char *name;
	bool pipe_first;
	bool closes;
};

static const struct farewell farewells[] = {
	{ "closing the pipe, then the file", true, true },
	{ "closing the file, then the pipe", false, true },
	{ "exiting, with the pipe first", true, false },
	{ "exiting, with the file first", false, false },
};

static bool fill_pipe(const int *fds)
{
	struct iovec vec = { page, 4096 };

	return vmsplice(fds[1], &vec, 1, 0) == 4096;
}

static int run_farewell(void *argument)
{
	const struct farewell *farewell = argument;
	int fds[2];

	if (farewell->pipe_first && pipe(fds))
		return errno;
	file = open(FILE_PATH, O_RDWR);
	if (!farewell->pipe_first && pipe(fds))
		return errno;
	memory = map_chunks(file, CHUNK, 1, false, MAP_SHARED);
	page = memory + PINNED * 4096;
	if (!fill_pipe(fds) || unlink(FILE_PATH))
		return errno;
	if (!farewell->closes)
		return 0;
	munmap(memory, CHUNK);
	if (!farewell->pipe_first)
		close(file);
	close(fds[0]);
	close(fds[1]);
	return close(file) && farewell->pipe_first;
}

static void holder_may_go(const void *argument)
{
	unsigned long before;

	file = make_file(fs, FILE_PATH, LAYOUT);
	require(file >= 0, "a file is written");
	close(file);
	before = free_bytes_now();
	expect(!ends(start(run_farewell, (void *)argument), LIMIT_MS),
	       "it does not hang");
	expect(eventually(free_bytes_now() >= before + strlen(LAYOUT) * CHUNK),
	       "all is free in the end");
}

/* Unmounting. */

static int run_umount(void *argument)
{
	return unmount(*(int *)argument) ? errno : 0;
}

static void mount_again(void)
{
	require(mount_file_system(fs, device), "it can be mounted again");
	file = open(FILE_PATH, O_RDWR);
	expect(file_is(file, LAYOUT), "the file is as it was");
	close(file);
}

static void umount_waits(const void *argument)
{
	const struct scenario *scenario = argument;
	long switches;
	int flags = 0;
	pid_t pid;

	make_pinned_file(scenario);
	close(file);
	pid = start(run_umount, &flags);
	if (expect(falls_asleep(pid), "it waits")) {
		switches = switches_of(pid);
		write_through(scenario->pin);
		sleep_ms(100);
		expect(stays_asleep(pid), "it still waits");
		expect(switches_of(pid) == switches, "it costs no CPU time");
	}
	expect(scenario->pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
	mount_again();
}

static void umount_dies(const void *argument)
{
	const struct scenario *scenario = argument;
	int flags = 0;
	pid_t pid;

	make_pinned_file(scenario);
	close(file);
	pid = start(run_umount, &flags);
	expect(falls_asleep(pid), "it waits");
	kill(pid, SIGKILL);
	expect(killed(ends(pid, LIMIT_MS)), "SIGKILL ends the wait");

	file = open(FILE_PATH, O_RDWR);
	expect(file_is(file, LAYOUT), "the file is still there");
	expect(write_chunk(file, 0, 'd') && write_chunk(file, 0, 'a'),
	       "and can be written");
	close(file);
	expect(take_free_space(RIVAL, RIVALS_BYTE), "other files can be made");
	write_through(scenario->pin);
	expect(has_only(RIVAL, RIVALS_BYTE), "and what they have is theirs");

	expect(scenario->pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(!ends(start(run_umount, &flags), LIMIT_MS), "it can be unmounted");
	mount_again();
}

static void detach_defers(const void *argument)
{
	const struct scenario *scenario = argument;
	int flags = MNT_DETACH;

	make_pinned_file(scenario);
	close(file);
	expect(!ends(start(run_umount, &flags), LIMIT_MS), "it does not wait");
	expect(access(FILE_PATH, F_OK), "nothing is mounted any more");
	sleep_ms(100);
	expect(!device_is_free(device), "but the device is in use");
	write_through(scenario->pin);
	expect(scenario->pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(eventually(device_is_free(device)), "the device is free in the end");
	mount_again();
}

/* Pins that nobody gets. */

static bool pin_longterm(void *address, unsigned int flags)
{
	struct pin_longterm_test pin = {
		.addr = (unsigned long)address,
		.size = 4096,
		.flags = flags,
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	require(fd >= 0, "there is gup_test");
	/* The file holds the pin, if there is one. */
	return !ioctl(fd, PIN_LONGTERM_TEST_START, &pin);
}

static bool register_buffer(void *address)
{
	struct io_uring_params params = { };
	struct iovec vec = { address, 4096 };
	int fd = syscall(SYS_io_uring_setup, 1, &params);

	require(fd >= 0, "there is io_uring");
	return syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &vec, 1) >= 0;
}

static void is_refused(const void *argument)
{
	const struct scenario *scenario = argument;

	make_mapped_file(scenario);
	for (int flags = 0; flags < 4; flags++)
		expect(!pin_longterm(page, flags) && errno == EOPNOTSUPP,
		       "long-term pins with the flags %d are refused", flags);
	expect(!register_buffer(page) && errno == EOPNOTSUPP,
	       "registered buffers are refused");
	expect(!ends(start(run_operation, (void *)scenario), LIMIT_MS),
	       "what was refused is not waited for");
	expect(file_is(file, scenario->operation->then), "the file is as it should be");
}

/* Data. */

static void is_coherent(const void *argument)
{
	char copy[4096];

	make_mapped_file(argument);
	memset(page, 1, 4096);
	expect(pread(file, copy, 4096, CHUNK + PINNED * 4096) == 4096 &&
	       !memcmp(copy, page, 4096), "read finds what was stored");
	memset(copy, 2, 4096);
	expect(pwrite(file, copy, 4096, CHUNK + PINNED * 4096) == 4096 &&
	       !memcmp(copy, page, 4096), "loads find what was written");
}

static void is_private(const void *argument)
{
	const struct scenario *scenario = argument;
	char *copy;

	make_mapped_file(scenario);
	copy = map_chunks(file, CHUNK, 1, scenario->huge, MAP_PRIVATE);
	require(copy, "the file can be mapped privately");
	copy += PINNED * 4096;
	expect(has_byte(copy, page_byte), "loads find what is in the file");
	memset(page, 1, 64);
	expect(has_byte(copy, 1), "and what is stored there");
	memset(copy, 2, 64);
	expect(has_byte(page, 1), "stores do not reach the file");
	memset(page, 3, 64);
	expect(has_byte(copy, 2), "nor the file what was stored");
	expect(has_byte(copy + 4096, byte_of('b', PINNED + 1)), "the next page is the file's");
	expect(!ends(start(run_operation, (void *)scenario), LIMIT_MS),
	       "a copy is not waited for");
}

static int run_store(void *argument)
{
	memset(page, 7, 64);
	return 0;
}

/* A pin, and a fork afterwards: it is still the page of the file. */
static void pin_survives_fork(const void *argument)
{
	const struct scenario *scenario = argument;

	make_mapped_file(scenario);
	require(grab_take(page), "the page can be pinned");
	madvise(memory, CHUNK, MADV_DOFORK);
	expect(!ends(start(run_store, NULL), LIMIT_MS), "a child stores to it");
	expect(has_byte(page, 7), "which the parent finds");
	expect(grab_write(PATTERN), "the pin is used");
	expect(has_byte(page, PATTERN), "which the parent finds, too");
	page_byte = PATTERN;
	expect(pages_are(file, CHUNK, 'b'), "and the file has it");
	expect(grab_put(0), "the pin goes");
}

static void can_be_io_buffer(const void *argument)
{
	char *copy = aligned_alloc(4096, 4096);
	int fd = open("/dev/ram0", O_RDWR | O_DIRECT);

	require(fd >= 0, "there is a ramdisk");
	make_mapped_file(argument);
	memset(page, 1, 4096);
	expect(pwrite(fd, page, 4096, 0) == 4096, "O_DIRECT writes from the mapping");
	expect(pread(fd, copy, 4096, 0) == 4096 && !memcmp(copy, page, 4096),
	       "what is there");
	memset(copy, 2, 4096);
	expect(pwrite(fd, copy, 4096, 0) == 4096 && pread(fd, page, 4096, 0) == 4096,
	       "O_DIRECT reads into the mapping");
	expect(pread(file, copy, 4096, CHUNK + PINNED * 4096) == 4096 &&
	       has_byte(copy, 2) && has_byte(page, 2), "what is on the disk");
	expect(!ends(start(run_operation, (void *)argument), LIMIT_MS),
	       "what was pinned is not waited for");
}

/*
 * A block that two files share and have mapped: pinned through the one, which
 * then gets a copy, and freed by the other.
 */

static int run_break_sharing(void *argument)
{
	int other = open(OTHER_PATH, O_RDWR);

	return !write_chunk(file, CHUNK, 'w') || ftruncate(other, 0);
}

static void waits_for_shared(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct pin *pin = scenario->pin;
	int other;
	char *map;
	pid_t pid;

	make_mapped_file(scenario);
	other = open(OTHER_PATH, O_RDWR);
	require(!clone_chunk(file, CHUNK, other, 0), "the files share blocks");
	map = map_chunks(other, 0, 1, scenario->huge, MAP_SHARED);
	require(has_byte(page, page_byte) && has_byte(map + PINNED * 4096, page_byte),
		"both can be read");
	require(pin->take(page), "the page can be pinned");
	munmap(memory, CHUNK);
	munmap(map, CHUNK);
	close(other);
	pid = start(run_break_sharing, NULL);
	expect(falls_asleep(pid), "it waits");
	expect(take_free_space(RIVAL, RIVALS_BYTE), "other files take what is free");
	unlink(SLACK);
	write_through(pin);
	expect(has_only(RIVAL, RIVALS_BYTE), "what they have is theirs");
	expect(pin->put(page_byte), "the pin goes, and has seen nothing else");
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
	expect(file_is(file, "awc"), "the file is as it should be");
}

/* The list of claims. */

static struct scenario *new_scenario(const struct pin *pin, bool huge)
{
	struct scenario *scenario = calloc(1, sizeof(*scenario));

	scenario->operation = operations;
	scenario->pin = pin;
	scenario->huge = huge;
	return scenario;
}

static const char *size_name(bool huge)
{
	return huge ? "PMD" : "PTE";
}

static void claim_waits(const struct operation *operation,
			const struct pin *pin, bool huge, bool mapped)
{
	struct scenario *scenario = new_scenario(pin, huge);

	scenario->operation = operation;
	scenario->mapped = mapped;
	claim(operation_waits, scenario, "%s waits for %s, %s, %s", operation->name,
	      pin->name, size_name(huge), mapped ? "mapped" : "unmapped");
}

static void claims_of(const struct operation *operation)
{
	for (int huge = 0; huge <= fs->huge; huge++) {
		struct scenario *scenario = new_scenario(&pin_by_grab, huge);

		for (int mapped = 0; mapped < 2; mapped++) {
			claim_waits(operation, &pin_by_grab, huge, mapped);
			claim_waits(operation, &pin_by_pipe, huge, mapped);
		}
		/* That one takes its time. */
		if (disk)
			claim_waits(operation, &pin_by_direct_read, huge, huge);
		scenario->operation = operation;
		scenario->mapped = huge;
		claim(operation_dies, scenario, "%s dies, %s", operation->name,
		      size_name(huge));
	}
}

static void claims_of_removal(void)
{
	static const struct pin *const pins[] = { &pin_by_grab, &pin_by_pipe };
	struct scenario *watched = new_scenario(&pin_by_grab, false);

	for (int i = 0; i < 2 * (1 + fs->huge); i++) {
		const struct pin *pin = pins[i % 2];
		const char *size = size_name(i / 2);
		struct scenario *scenario = new_scenario(pin, i / 2);

		claim(unlink_defers, scenario, "unlink defers to %s, %s", pin->name, size);
		claim(umount_waits, scenario, "umount waits for %s, %s", pin->name, size);
		claim(umount_dies, scenario, "umount dies, %s, %s", pin->name, size);
		claim(detach_defers, scenario, "lazy umount defers to %s, %s",
		      pin->name, size);
	}
	watched->watched = true;
	if (close(inotify_init())) {
		ksft_print_msg("no inotify: umount of what is watched is not tried\n");
	} else {
		claim(umount_waits, watched, "umount waits for a file that is watched");
		claim(umount_dies, watched, "umount dies, of a file that is watched");
	}
	for (size_t i = 0; i < ARRAY_SIZE(farewells); i++)
		claim(holder_may_go, &farewells[i], "a holder may go, %s",
		      farewells[i].name);
}

static void claims_of_data(void)
{
	for (int huge = 0; huge <= fs->huge; huge++) {
		struct scenario *scenario = new_scenario(&pin_by_grab, huge);
		struct scenario *private = new_scenario(&pin_by_grab, huge);
		const char *size = size_name(huge);

		scenario->mapped = true;
		private->private = true;
		claim(operation_waits, private,
		      "truncate waits for a pin of a private mapping, %s", size);
		if (fs->fallocate)
			claim(two_wait, scenario, "two wait for the same page, %s", size);
		claim(is_refused, scenario, "long-term pins are refused, %s", size);
		claim(is_coherent, scenario, "a mapping is coherent, %s", size);
		claim(is_private, scenario, "a private mapping is private, %s", size);
		claim(pin_survives_fork, scenario, "a pin survives fork, %s", size);
		claim(can_be_io_buffer, scenario, "a mapping can be a buffer, %s", size);
		if (fs->reflink)
			claim(waits_for_shared, scenario,
			      "blocks that were shared are waited for, %s", size);
	}
}

static void is_consistent(const void *argument)
{
	expect(!unmount(0), "it can be unmounted");
	expect(check_file_system(fs, device), "it is consistent");
}

static bool new_file_system(void)
{
	return make_file_system(fs, device) && fill_up(BALLAST, 16);
}

/* As it was before the claim. */
static bool clean_up(void)
{
	int fd;

	unlink(FILE_PATH);
	unlink(OTHER_PATH);
	unlink(RIVAL);
	fd = open(SLACK, O_WRONLY | O_CREAT, 0644);
	if (fd < 0 || (size_t)write(fd, malloc(1 << 19), 1 << 19) != 1 << 19)
		return false;
	close(fd);
	free_bytes_now();
	return true;
}

int main(int argc, char **argv)
{
	fs = argc > 2 && argc < 6 ? find_file_system(argv[1]) : NULL;
	if (!fs) {
		fprintf(stderr, "usage: fsdax FILE-SYSTEM DEVICE [DISK [TEXT]]\n");
		return 2;
	}
	device = argv[2];
	disk = argv[3];
	only = disk ? argv[4] : NULL;

	ksft_print_header();
	need(device);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		if (operations[i].is_there())
			claims_of(&operations[i]);
	claims_of_data();
	claims_of_removal();
	claim(is_consistent, NULL, "the file system is consistent");
	ksft_set_plan(nr_claims);
	if (!new_file_system())
		ksft_exit_fail_msg("no file system\n");
	for (int i = 0; i < nr_claims; i++) {
		bool ok = clean_up() && holds(&claims[i]);

		ksft_test_result(ok, "%s\n", claims[i].name);
		if (!ok && !new_file_system())
			ksft_exit_fail_msg("no file system\n");
	}
	unmount(MNT_DETACH);
	ksft_finished();
}
