// SPDX-License-Identifier: GPL-2.0
/*
 * fuse [TEXT [DIRECTORY]]
 *
 * Nobody waits for the writeback of a FUSE server but who asked for data
 * integrity there, or uses that very file: all that a server can do to others.
 * With TEXT, only what has it in its name.  With FUSE_BASE in the environment,
 * what can be seen on a kernel that writes back copies.  With DIRECTORY, on which
 * something is mounted, whose server is not to be talked to: just its data.
 */
#include "fuse.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#define GROUP		"/sys/fs/cgroup/fuse_test"

/* A file, and what should be in it. */

#define IMAGE_SIZE	(1024 * 1024)

struct image {
	const char *name;
	int fd;
	int direct;
	char *map;
	char *shadow;
	char *buffer;
	size_t size;
	unsigned int random;
};

static unsigned int next(struct image *image, unsigned int limit)
{
	image->random = image->random * 1103515245 + 12345;
	return (image->random >> 8) % limit;
}

static const char *above = ABOVE;
static const char *below = BELOW;

static char *path_in(const char *directory, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void open_image(struct image *image, const char *name, unsigned int random)
{
	*image = (struct image) { .name = name, .random = random };
	/* Those that come by CREATE are not passed through. */
	close(open(path_in(below, name), O_RDWR | O_CREAT, 0644));
	image->fd = open(path_in(above, name), O_RDWR | O_CREAT | O_TRUNC, 0644);
	image->direct = open(path_in(above, name), O_RDWR | O_DIRECT);
	image->shadow = calloc(1, IMAGE_SIZE);
	image->buffer = aligned_alloc(4096, IMAGE_SIZE);
	require(image->fd >= 0 && image->direct >= 0, "a file can be made");
	image->map = mmap(NULL, IMAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, image->fd, 0);
	require(image->map != MAP_FAILED, "it can be mapped");
	image->size = IMAGE_SIZE;
	require(!ftruncate(image->fd, IMAGE_SIZE), "it can grow");
}

/* Part of the file: at least a byte. */
static void range(struct image *image, size_t *offset, size_t *length)
{
	*offset = next(image, image->size);
	*length = 1 + next(image, next(image, 2) ? 65536 : 5000);
	if (*length > image->size - *offset)
		*length = image->size - *offset;
}

static bool image_write(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	paint(image->shadow + offset, offset, length, next(image, 100) + 1);
	return pwrite(image->fd, image->shadow + offset, length, offset) == (ssize_t)length;
}

static bool image_store(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	paint(image->shadow + offset, offset, length, next(image, 100) + 1);
	memcpy(image->map + offset, image->shadow + offset, length);
	return true;
}

static bool image_write_directly(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	offset &= ~4095UL;
	length = (length + 4095) & ~4095UL;
	paint(image->shadow + offset, offset, length, next(image, 100) + 1);
	memcpy(image->buffer, image->shadow + offset, length);
	if (offset + length > image->size)
		image->size = offset + length;
	return pwrite(image->direct, image->buffer, length, offset) == (ssize_t)length;
}

static bool image_is(struct image *image, const char *found, size_t offset, size_t length,
		     const char *how)
{
	for (size_t i = 0; i < length; i++) {
		if (found[i] == image->shadow[offset + i])
			continue;
		ksft_print_msg("%s, %s: at %#zx there is %02x, not %02x\n", image->name, how,
			       offset + i, found[i] & 255, image->shadow[offset + i] & 255);
		return false;
	}
	return true;
}

static bool image_read(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	return pread(image->fd, image->buffer, length, offset) == (ssize_t)length &&
	       image_is(image, image->buffer, offset, length, "read");
}

static bool image_load(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	return image_is(image, image->map + offset, offset, length, "mapped");
}

static bool image_read_directly(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	offset &= ~4095UL;
	length = (length + 4095) & ~4095UL;
	if (length > image->size - offset)
		length = image->size - offset;
	return pread(image->direct, image->buffer, (length + 4095) & ~4095UL, offset) ==
	       (ssize_t)length && image_is(image, image->buffer, offset, length, "direct");
}

static bool image_punch(struct image *image)
{
	size_t offset, length;

	range(image, &offset, &length);
	memset(image->shadow + offset, 0, length);
	return !fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
			  length);
}

static bool image_copy(struct image *image)
{
	size_t offset, length;
	off_t from, to;

	range(image, &offset, &length);
	from = offset;
	to = next(image, image->size - length + 1);
	if (to < from + (off_t)length && from < to + (off_t)length)
		return true;
	memcpy(image->shadow + to, image->shadow + from, length);
	return copy_file_range(image->fd, &from, image->fd, &to, length, 0) == (ssize_t)length;
}

static bool image_cut(struct image *image)
{
	size_t size = 1 + next(image, IMAGE_SIZE);

	if (size < image->size)
		memset(image->shadow + size, 0, image->size - size);
	image->size = next(image, 2) ? size : IMAGE_SIZE;
	return !ftruncate(image->fd, size) && !ftruncate(image->fd, image->size);
}

static bool image_sync(struct image *image)
{
	switch (next(image, 6)) {
	case 0:
		return !fsync(image->fd);
	case 1:
		return !fdatasync(image->fd);
	case 2:
		return !msync(image->map, IMAGE_SIZE, MS_SYNC);
	case 3:
		madvise(image->map, IMAGE_SIZE, MADV_PAGEOUT);
		return true;
	case 4:
		return !posix_fadvise(image->fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	return start_writeback(image->fd);
}

static bool image_move(struct image *image)
{
	void *address = image->map + (next(image, image->size) & ~4095UL);

	if (has_nodes())
		move_to_node(address, next(image, 2));
	return true;
}

static bool (*const image_operations[])(struct image *) = {
	image_write, image_write, image_store, image_store, image_write_directly,
	image_read, image_load, image_read_directly, image_punch, image_copy, image_cut,
	image_sync, image_sync, image_sync, image_move,
};

/* The file below has it, byte by byte. */
static bool verify_image(struct image *image)
{
	int fd = open(path_in(below, image->name), O_RDONLY | O_DIRECT);
	bool ok;

	ok = expect(!fsync(image->fd), "fsync succeeds") &&
	     expect(image_is(image, image->map, 0, image->size, "mapped"),
		    "all is in the mapping") &&
	     expect(size_of(path_in(below, image->name)) == (long)image->size,
		    "the file below has %zu bytes", image->size) &&
	     expect(pread(fd, image->buffer, IMAGE_SIZE, 0) == (ssize_t)image->size &&
		    image_is(image, image->buffer, 0, image->size, "below"),
		    "all is in the file below");
	close(fd);
	return ok;
}

static bool exercise(struct image *image, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		int number = next(image, ARRAY_SIZE(image_operations));

		if (!expect(image_operations[number](image), "operation %d in round %d", number, i))
			return false;
		if (i % 50 == 49 && !verify_image(image))
			return false;
	}
	return verify_image(image);
}

static void data_of_others_is_right(const void *argument)
{
	struct image image;

	open_image(&image, "image", 1);
	exercise(&image, 300);
	expect_settled();
}

static void data_is_right(const void *argument)
{
	struct image image;

	serve(*(const int *)argument);
	open_image(&image, "image", 1);
	exercise(&image, 300);
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect(!server->cuts, "no truncation during a WRITE");
	if (*(const int *)argument & SPLICE)
		expect(server->spliced, "WRITEs come in a pipe");
	expect_settled();
}

/* Several at it, while pages are moved and the server answers late. */

#define WORKERS	3

static int run_worker(void *argument)
{
	char name[16];
	struct image image;

	sprintf(name, "image%d", *(int *)argument);
	open_image(&image, name, *(int *)argument);
	exercise(&image, 200);
	return failed;
}

/* Moves the pages of all in all ways, and takes some out of the cache. */
static int run_disturber(void *argument)
{
	unsigned long pfn = *(unsigned long *)argument;

	for (int round = 0; ; round++) {
		set("/proc/sys/vm/compact_memory", 1);
		sync();
		if (has_cma() && set(cma_path("alloc"), 4096))
			set(cma_path("free"), 4096);
		if (in_movable(pfn) && put_string(block_path(pfn, "state"), "offline"))
			put_string(block_path(pfn, "state"), "online_movable");
		if (server && !server->order) {
			snprintf(server->name, sizeof(server->name), "image%d", round % WORKERS);
			server->length = IMAGE_SIZE;
			server->order = FUSE_INVALIDATE;
		}
		sleep_ms(5);
	}
	return 0;
}

static void survive_stress(unsigned long pfn)
{
	pid_t pid[WORKERS], disturber = start(run_disturber, &pfn);
	int number[WORKERS];

	for (int i = 0; i < WORKERS; i++) {
		number[i] = i;
		pid[i] = start(run_worker, &number[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		expect(!ends(pid[i], 2 * LIMIT_MS), "worker %d finds what it wrote", i);
	kill(disturber, SIGKILL);
	expect(ends(disturber, LIMIT_MS) != -1, "what moves pages does not hang");
}

static void stress_is_survived(const void *argument)
{
	open_file(*(const int *)argument, SIZE, 1);
	server->delay_ms = 3;
	server->newest_first = 1;
	survive_stress(pfn_of(memory));
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect(!server->cuts, "no truncation during a WRITE");
	expect_settled();
}

static void stress_of_others_is_survived(const void *argument)
{
	survive_stress(0);
	expect_settled();
}

/* What others do while pages are in flight. */

static int do_sync(void *argument)
{
	sync();
	return 0;
}

static int do_syncfs(void *argument)
{
	return syncfs(file);
}

static int do_compact(void *argument)
{
	return !set("/proc/sys/vm/compact_memory", 1);
}

static int do_drop_caches(void *argument)
{
	return !set("/proc/sys/vm/drop_caches", 3);
}

static int do_read(void *argument)
{
	return !has_seed(file, 0, SIZE, 1) || !is_painted(memory, 0, SIZE, 1);
}

static int do_page_out(void *argument)
{
	return madvise(memory, SIZE, MADV_PAGEOUT);
}

static int do_forget(void *argument)
{
	return posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

static int do_lock(void *argument)
{
	return mlock(memory, SIZE);
}

static int do_write_other(void *argument)
{
	int fd = open(OTHER_PATH, O_RDWR | O_CREAT, 0644);

	return !write_seed(fd, 0, SIZE, 2) || !has_seed(fd, 0, SIZE, 2);
}

static int do_open(void *argument)
{
	return open(FILE_PATH, O_RDWR) < 0;
}

static int do_stat(void *argument)
{
	return size_of(FILE_PATH) != SIZE;
}

static int do_unlink(void *argument)
{
	return unlink(FILE_PATH);
}

/* As far as all tasks are frozen: one that sleeps in the kernel cannot be. */
static int do_suspend(void *argument)
{
	static const char delay[] = "/sys/module/suspend/parameters/pm_test_delay";
	static const char test[] = "/sys/power/pm_test";
	long before = get(delay);
	bool ok = set(delay, 0) && put_string(test, "freezer") &&
		  put_string("/sys/power/state", "freeze");

	return !set(delay, before) || !put_string(test, "none") || !ok;
}

/* A process that only has the file mapped does not wait to unmap it. */
static int do_unmap(void *argument)
{
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	return map == MAP_FAILED || !is_painted(map, 0, SIZE, 1) || munmap(map, SIZE);
}

struct operation {
	const char *name;
	int (*run)(void *argument);
	bool asks;		/* needs an answer itself */
};

static const struct operation operations[] = {
	{ "sync", do_sync },
	{ "syncfs", do_syncfs },
	{ "suspend", do_suspend },
	{ "compact_memory", do_compact },
	{ "drop_caches", do_drop_caches },
	{ "reading", do_read },
	{ "MADV_PAGEOUT", do_page_out },
	{ "POSIX_FADV_DONTNEED", do_forget },
	{ "mlock", do_lock },
	{ "writing another file", do_write_other, true },
	{ "opening the file", do_open, true },
	{ "stat", do_stat, true },
	{ "munmap", do_unmap },
};

struct scenario {
	const struct operation *operation;
	enum where where;
};

static void does_not_wait(const void *argument)
{
	const struct scenario *scenario = argument;

	launch_file(scenario->where, 1);
	expect(!others_do(scenario->operation->run, NULL), "it ends, and succeeds");
	expect_landing(1);
}

static void unlink_does_not_wait(const void *argument)
{
	launch_file(IN_HAND, 1);
	expect(!others_do(do_unlink, NULL), "it ends, and succeeds");
	expect(all_in_flight(), "all pages are still under writeback");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(has_seed(file, 0, SIZE, 1), "the file has it as long as it is open");
	expect(!server->held, "all was written");
	expect_settled();
}

static const char *connection_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), CONNECTIONS "/%u/%s", minor(device), name);
	return path;
}

/* Its ctime changes, which goes to the server as well. */
static int do_rename_other(void *argument)
{
	return rename(OTHER_PATH, ABOVE "/another") || rename(ABOVE "/another", OTHER_PATH);
}

/* What is written back is all that may be sent of its kind, and more waits for it. */
static void background_does_not_matter(const void *argument)
{
	int other;

	open_file(WRITEBACK | THREADS, SIZE, 1);
	other = open(OTHER_PATH, O_RDWR | O_CREAT, 0644);
	require(other >= 0 && !fsync(other), "there is another file");
	close(other);
	require(set(connection_path("max_background"), 1), "one request is enough");
	launch(IN_HAND);
	expect(!others_do(do_rename_other, NULL), "it ends, and succeeds");
	expect(all_in_flight(), "all pages are still under writeback");
	expect_landing(1);
}

/* An open that drops what is cached. */
static void opening_drops(const void *argument)
{
	open_file(WRITEBACK | DROP_CACHE, SIZE, 1);
	launch(IN_HAND);
	expect(!others_do(do_open, NULL), "it ends, and succeeds");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
}

/*
 * Another server answers READs with pages of the file, and would have the kernel
 * move them out of the cache.
 */
static int do_read_top(void *argument)
{
	int fd = open(TOP "/" FILE_NAME, O_RDONLY);

	return !has_seed(fd, 0, SIZE, 1);
}

static void server_on_top_does_not_wait(const void *argument)
{
	struct fuse_control *top;
	char number[16];

	launch_file(*(const enum where *)argument, 1);
	top = share_control(number);
	require(top, "memory can be shared");
	if (!fork())
		run_server(SPLICE, number, ABOVE, TOP);
	require(eventually(top->ready), "there is a server on top");
	expect(!others_do(do_read_top, NULL), "it ends, and finds what was written");
	expect(top->reads, "the server on top has read");
	expect_landing(1);
}

/* Those who ask for data integrity do wait. */

static int do_fsync(void *argument)
{
	return fsync(file) || !below_has(FILE_BELOW, 0, SIZE, 1);
}

static int do_fdatasync(void *argument)
{
	return fdatasync(file) || !below_has(FILE_BELOW, 0, SIZE, 1);
}

static int do_msync(void *argument)
{
	return msync(memory, SIZE, MS_SYNC) || !below_has(FILE_BELOW, 0, SIZE, 1);
}

static int do_sync_file_range(void *argument)
{
	return sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
			       SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) ||
	       !below_has(FILE_BELOW, 0, SIZE, 1);
}

static int do_synchronous_write(void *argument)
{
	char *buffer = malloc(SIZE);
	struct iovec vec = { buffer, SIZE };

	paint(buffer, 0, SIZE, 1);
	return pwritev2(file, &vec, 1, 0, RWF_DSYNC) != SIZE ||
	       !below_has(FILE_BELOW, 0, SIZE, 1);
}

/* Each close, be it of a copy, is a flush. */
static int do_flush(void *argument)
{
	return close(dup(file));
}

static int do_close(void *argument)
{
	return do_flush(NULL) || !below_has(FILE_BELOW, 0, SIZE, 1);
}

static const struct operation waits[] = {
	{ "fsync", do_fsync },
	{ "fdatasync", do_fdatasync },
	{ "msync", do_msync },
	{ "sync_file_range", do_sync_file_range },
	{ "a synchronous write", do_synchronous_write },
	{ "close", do_close },
};

static void does_wait(const void *argument)
{
	const struct scenario *scenario = argument;
	pid_t pid;

	launch_file(scenario->where, 1);
	pid = start_other(scenario->operation->run, NULL);
	expect(falls_asleep(pid), "it waits");
	expect(!others_do(do_compact, NULL), "others do not wait for who waits");
	/* It was woken for each page that was moved, and looks for that again. */
	expect(falls_asleep(pid) && stays_asleep(pid), "it still waits");
	land();
	expect(!ends(pid, LIMIT_MS), "it ends when all is in the file below");
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect_settled();
}

/* A page that is changed while it is in flight. */

static int do_store_again(void *argument)
{
	paint(memory, 0, 4096, 2);
	return fsync(file);
}

static int do_write_again(void *argument)
{
	return !write_seed(file, 0, 4096, 2) || fsync(file);
}

static int do_write_directly(void *argument)
{
	char *buffer = aligned_alloc(4096, 4096);
	int fd = open(FILE_PATH, O_RDWR | O_DIRECT);

	paint(buffer, 0, 4096, 2);
	return pwrite(fd, buffer, 4096, 0) != 4096;
}

static const struct operation changes[] = {
	{ "a store", do_store_again },
	{ "a write", do_write_again },
	{ "a direct write", do_write_directly, true },
};

/* What uses a file with all its pages in flight waits for them, and nobody for it. */
static void run_in_flight(const struct scenario *scenario)
{
	pid_t pid;

	launch_file(scenario->where, 1);
	pid = start_other(scenario->operation->run, NULL);
	expect(falls_asleep(pid), "it waits, as who uses the file");
	expect(!others_do(do_compact, NULL), "others do not wait for who waits");
	expect(!others_do(do_drop_caches, NULL), "nor others");
	server->newest_first = 1;
	land();
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
}

static void lands_later(const void *argument)
{
	run_in_flight(argument);
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, 4096, 2), "what is in the file below is the later");
	expect(below_has(FILE_BELOW, 4096, SIZE - 4096, 1), "the other pages are as they were");
	expect(has_seed(file, 0, 4096, 2), "as what is in the cache");
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect_settled();
}

/* Who stores, or writes, waits for the server, but not at any price. */
static void expect_killed(int (*store)(void *argument))
{
	pid_t pid = start_other(store, NULL);

	expect(falls_asleep(pid), "it waits");
	kill(pid, SIGKILL);
	expect(killed(ends(pid, LIMIT_MS)), "it can be killed");
	expect(server->answered == answered, "the server has not answered");
}

static void store_can_be_killed(const void *argument)
{
	launch_file(*(const enum where *)argument, 1);
	expect_killed(do_store_again);
	expect_landing(1);
}

static void write_can_be_killed(const void *argument)
{
	launch_file(*(const enum where *)argument, 1);
	expect_killed(do_write_again);
	expect_landing(1);
}

static int do_store_second(void *argument)
{
	paint(memory + 4096, 4096, 4096, 2);
	return fsync(file);
}

/*
 * What the server has stored is in a page that is not in flight, but what was
 * written before to the same place is.
 */
static void store_after_notify_can_be_killed(const void *argument)
{
	open_file(WRITEBACK | BLOCKING, SIZE, 1);
	launch_behind();
	tell(FUSE_STORE, 4096, 4096, 7);
	expect_killed(do_store_second);
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
}

static int do_store_rounds(void *argument)
{
	for (int seed = 1; seed <= 20; seed++) {
		paint(memory + seed % PAGES * 4096, seed % PAGES * 4096, 4096, seed);
		if (!start_writeback(file))
			return 1;
	}
	return fsync(file);
}

/* Each page is written many times by a server that answers the newest first. */
static void order_is_kept(const void *argument)
{
	open_file(WRITEBACK | (*(const int *)argument), SIZE, 30);
	server->delay_ms = 10;
	server->newest_first = 1;
	expect(!others_do(do_store_rounds, NULL), "it ends, and succeeds");
	for (int seed = 5; seed <= 20; seed++)
		expect(below_has(FILE_BELOW, seed % PAGES * 4096, 4096, seed),
		       "page %d has what was stored last", seed % PAGES);
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect_settled();
}

/* Truncation. */

static int do_truncate(void *argument)
{
	return ftruncate(file, 4096);
}

static int do_open_truncate(void *argument)
{
	int fd = open(FILE_PATH, O_RDWR | O_TRUNC);

	return fd < 0 || !write_seed(fd, 0, 4096, 1) || fsync(fd);
}

static int do_punch(void *argument)
{
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, SIZE - 4096);
}

static const struct operation truncations[] = {
	{ "truncate", do_truncate },
	{ "O_TRUNC", do_open_truncate, true },
	{ "a hole", do_punch },
};

static void nothing_lands_afterwards(const void *argument)
{
	run_in_flight(argument);
	expect(!server->cuts, "the server was not asked before it had answered");
	expect(!ftruncate(file, SIZE), "the file grows again");
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, 4096, 1), "what was not cut is in the file below");
	expect(below_has(FILE_BELOW, 4096, SIZE - 4096, 0), "the rest of it is zeroes");
	expect(has_seed(file, 4096, SIZE - 4096, 0), "as what is in the cache");
	expect_settled();
}

static int do_look_again(void *argument)
{
	struct statx stat;

	return statx(AT_FDCWD, FILE_PATH, AT_STATX_FORCE_SYNC, STATX_SIZE, &stat) ||
	       stat.stx_size != 4096;
}

/* The server cuts the file, without the writeback cache: pages are mapped. */
static void server_truncates(const void *argument)
{
	open_file(*(const enum where *)argument >= IN_PIPE ? SPLICE : 0, SIZE, 1);
	paint(memory, 0, SIZE, 2);
	launch(*(const enum where *)argument);
	require(all_in_flight(), "all pages are under writeback");
	expect(!truncate(FILE_BELOW, 4096), "the server truncates the file");
	expect(!others_do(do_look_again, NULL), "stat does not wait, and sees it");
	expect(!server->answered, "the server has not answered");
	expect(!others_do(do_compact, NULL), "compaction does not wait");
	land();
	expect(eventually(!server->held), "the server answers");
	expect_settled();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, 4096, 2), "the page that is left is in the file below");
}

/* What a server tells the kernel about a file. */

static int do_write_all(void *argument)
{
	return !write_seed(file, 0, SIZE, 2) || fsync(file);
}

static void invalidate_is_ordered(const void *argument)
{
	pid_t pid;

	launch_file(*(const enum where *)argument, 1);
	tell(FUSE_INVALIDATE, 0, SIZE, 0);
	expect(!server->answered, "the server has not answered");
	pid = start_other(do_write_all, NULL);
	expect(falls_asleep(pid), "a later write waits");
	server->newest_first = 1;
	land();
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect(below_has(FILE_BELOW, 0, SIZE, 2), "what is in the file below is the later");
	expect_settled();
}

static void invalidate_loses_nothing(const void *argument)
{
	launch_file(*(const enum where *)argument, 1);
	tell(FUSE_INVALIDATE, 0, SIZE, 0);
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
	tell(FUSE_INVALIDATE, 0, SIZE, 0);
	expect(has_seed(file, 0, SIZE, 1), "and is read from there");
}

static void store_does_not_wait(const void *argument)
{
	char page[4096];

	launch_file(*(const enum where *)argument, 1);
	tell(FUSE_STORE, 0, 4096, 7);
	expect(!server->answered, "the server has not answered");
	memset(page, 7, sizeof(page));
	expect(!memcmp(memory, page, 4096), "what it stored is seen");
	expect(is_painted(memory + 4096, 4096, SIZE - 4096, 1), "the rest is as it was");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 4096, SIZE - 4096, 1), "the rest is in the file below");
	expect_settled();
}

/* What was written before is what the server gets, and what it stored is in the cache. */
static void store_spares_the_queue(const void *argument)
{
	char page[4096];

	open_file(WRITEBACK | BLOCKING, SIZE, 1);
	launch_behind();
	tell(FUSE_STORE, 4096, 4096, 7);
	expect(!server->answered, "the server has not answered");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "what was written is in the file below");
	memset(page, 7, sizeof(page));
	expect(!memcmp(memory + 4096, page, 4096), "what was stored is in the mapping");
	expect(is_painted(memory, 0, 4096, 1) &&
	       is_painted(memory + 8192, 8192, SIZE - 8192, 1), "the rest is as it was");
	expect_settled();
}

/* Nor does the server get it when its WRITE has lost the page before. */
static void store_spares_what_is_detached(const void *argument)
{
	char page[4096], found[4096];

	open_file(WRITEBACK | BLOCKING, SIZE, 1);
	launch_behind();
	tell(*(const enum fuse_order *)argument, 4096, 4096, 7);
	tell(FUSE_STORE, 4096, 4096, 8);
	expect(server->answered == answered, "the server has not answered");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "what was written is in the file below");
	memset(page, 8, sizeof(page));
	expect(pread(file, found, 4096, 4096) == 4096 && !memcmp(found, page, 4096),
	       "what was stored last is in the cache");
	expect_settled();
}

/* Of a page that is stored while it is written back, the server gets one of the two. */
static bool is_one_of(const char *page, off_t offset, int seed, char byte)
{
	int written = 0, stored = 0;

	for (int i = 0; i < 4096; i++) {
		written += page[i] == byte_at(seed, offset + i);
		stored += page[i] == byte;
	}
	return written == 4096 || stored == 4096;
}

static void store_is_whole(const void *argument)
{
	static char page[4096];
	int fd = open(FILE_BELOW, O_RDWR | O_CREAT, 0644);

	open_file(WRITEBACK | THREADS, SIZE, 1);
	for (int seed = 2; seed < 100 && !failed; seed++) {
		int done = server->done;

		paint(memory, 0, SIZE, seed);
		order(FUSE_STORE, 0, SIZE, 128 + seed);
		expect(!fsync(file), "fsync succeeds");
		expect_done(done);
		expect(!fsync(file), "it does again");
		for (int i = 0; i < PAGES; i++)
			expect(pread(fd, page, 4096, i * 4096) == 4096 &&
			       is_one_of(page, i * 4096, seed, 128 + seed),
			       "page %d of round %d is not mixed", i, seed);
	}
	expect_settled();
}

/* What a server asks for is looked up when it reads the reply, which may be never. */

static void retrieve_holds_no_cache(const void *argument)
{
	open_file(WRITEBACK | BLOCKING, SIZE, 1);
	retrieve_unread();
	expect(cached_pages() == PAGES, "all is in the page cache");
	madvise(memory, SIZE, MADV_DONTNEED);
	expect(eventually(!posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) && !cached_pages()),
	       "it can be dropped, but %d pages", cached_pages());
	expect_retrieved(0, 0);
	expect_settled();
}

static void retrieve_gets_the_latest(const void *argument)
{
	open_file(WRITEBACK | BLOCKING, SIZE, 1);
	retrieve_unread();
	tell(FUSE_INVALIDATE, 0, 4096, 0);
	tell(FUSE_STORE, 0, 4096, 7);
	paint(memory, 0, 4096, 2);
	expect_retrieved(SIZE, 2);
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, 4096, 2) &&
	       below_has(FILE_BELOW, 4096, SIZE - 4096, 1), "the file below has the same");
	expect_settled();
}

/*
 * A WRITE that is still being made.  Who makes it waits for the last page, which a
 * store has locked, and cannot run when it is free: somebody else has the CPU.
 */

static atomic_bool is_busy;

static bool run_on(int cpu, int priority)
{
	const struct sched_param param = { .sched_priority = priority };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus) &&
	       (!priority || !sched_setscheduler(0, SCHED_FIFO, &param));
}

static int do_start_writeback(void *argument)
{
	/* As fdatasync(), but without the inode's lock. */
	return !run_on(1, 1) ||
	       sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
			       SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

static int do_keep_busy(void *argument)
{
	is_busy = run_on(1, 2);
	while (is_busy)
		continue;
	return 0;
}

static pid_t maker, busy;

static void launch_in_the_making(unsigned int options)
{
	int fd = open(OTHER_BELOW, O_RDWR | O_CREAT, 0644);
	char *last;
	int done;

	require(write_seed(fd, 0, 4096, 3), "there is another file");
	require(run_on(0, 0), "it can stay on a CPU");
	open_file(WRITEBACK | THREADS | options, SIZE, 1);
	last = memory + SIZE - 4096;
	done = server->done;
	server->hold_reads = 1;
	snprintf(server->from, sizeof(server->from), OTHER_PATH);
	order(FUSE_STORE, SIZE - 4096, 4096, 0);
	require(eventually(server->reads), "a store waits, and has a page locked");
	maker = start_other(do_start_writeback, NULL);
	require(eventually(under_writeback(last - 4096)) && falls_asleep(maker),
		"who writes back waits for that");
	busy = start_other(do_keep_busy, NULL);
	require(eventually(is_busy), "a CPU is busy");
	server->hold_reads = 0;
	expect_done(done);
	require(!under_writeback(last), "who writes back does not go on");
	require(!server->writes, "nothing was sent yet");
}

static void land_in_the_making(void)
{
	is_busy = false;
	expect(!ends(maker, LIMIT_MS) && !ends(busy, LIMIT_MS), "who writes back goes on");
	expect(!fsync(file), "fsync succeeds");
}

static int do_write_last(void *argument)
{
	return ftruncate(file, SIZE - 4096) || !write_seed(file, SIZE - 4096, 4096, 2);
}

/* The file is cut meanwhile, and grows again. */
static void nothing_comes_back(const void *argument)
{
	const bool *detached = argument;

	launch_in_the_making(0);
	if (*detached)
		tell(FUSE_INVALIDATE, 0, SIZE - 4096, 0);
	expect(!others_do(do_truncate, NULL), "the file is cut");
	expect(!others_do(do_write_last, NULL), "it grows again, and is written at the end");
	land_in_the_making();
	expect(below_has(FILE_BELOW, 0, 4096, 1), "what was not cut is in the file below");
	expect(below_has(FILE_BELOW, 4096, SIZE - 8192, 0), "what was cut is not");
	expect(below_has(FILE_BELOW, SIZE - 4096, 4096, 2), "what was written later is");
	expect(has_seed(file, 4096, SIZE - 8192, 0), "as what is in the cache");
	expect_settled();
}

/*
 * Its pages leave the page cache meanwhile.  Who would have waited for them there
 * finds the WRITE all the same.
 */

static int do_punch_first(void *argument)
{
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static int do_sync_first(void *argument)
{
	return msync(memory, 4096, MS_SYNC) || !below_has(FILE_BELOW, 0, 4096, 1);
}

/* All but the last page, which the server has stored into, is what was written. */
static int do_fsync_all(void *argument)
{
	return fsync(file) || !below_has(FILE_BELOW, 0, SIZE - 4096, 1);
}

static int do_close_all(void *argument)
{
	return do_flush(NULL) || !below_has(FILE_BELOW, 0, SIZE - 4096, 1);
}

struct follower {
	int (*run)(void *argument);
	int seed;		/* of what is in the first page then */
	unsigned int options;	/* of the server */
};

static void making_is_seen(const void *argument)
{
	const struct follower *follower = argument;

	launch_in_the_making(follower->options);
	/* Otherwise an open does the same. */
	if (!(follower->options & DROP_CACHE))
		tell(FUSE_INVALIDATE, 0, SIZE - 4096, 0);
	expect(!others_do(follower->run, NULL), "who comes next succeeds");
	land_in_the_making();
	expect(below_has(FILE_BELOW, 0, 4096, follower->seed), "what is newer stays");
	expect(below_has(FILE_BELOW, 4096, SIZE - 8192, 1), "and what is in other pages");
	expect(has_seed(file, 0, 4096, follower->seed), "the cache has the same");
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect_settled();
}

/* The end of a connection. */

static int do_umount(void *argument)
{
	return unmount_above(*(int *)argument) ? errno : 0;
}

static bool end_by_umount(void)
{
	int force = MNT_FORCE;

	/*
	 * It is in use; but it is not waited for any more.  So the one that says
	 * so, with an errno of its own, can close what it has.
	 */
	return ends(start(do_umount, &force), LIMIT_MS) == EBUSY << 8;
}

static bool end_by_abort(void)
{
	return set(connection_path("abort"), 1);
}

static bool end_by_kill(void)
{
	kill(server_pid, SIGKILL);
	return true;
}

struct ending {
	const char *name;
	bool (*end)(void);
};

static const struct ending endings[] = {
	{ "umount -f", end_by_umount },
	{ "abort", end_by_abort },
	{ "death of the server", end_by_kill },
};

struct farewell {
	const struct ending *ending;
	enum where where;
};

static int do_wait(void *argument)
{
	return fsync(file);
}

static void ending_is_final(const void *argument)
{
	const struct farewell *farewell = argument;
	int flags = 0;
	pid_t pid;

	launch_file(farewell->where, 1);
	pid = start_other(do_wait, NULL);
	expect(falls_asleep(pid), "fsync waits");
	expect(farewell->ending->end(), "the connection ends");
	expect(ends(pid, LIMIT_MS) > 0, "fsync ends, and fails");
	continue_server();
	munmap(memory, SIZE);
	close(file);
	expect(ends(server_pid, LIMIT_MS) != -1, "the server ends");
	expect(!others_do(do_umount, &flags), "it can be unmounted");
	expect_settled();
}

static void lazy_umount_does_not_wait(const void *argument)
{
	int flags = MNT_DETACH;

	launch_file(*(const enum where *)argument, 1);
	expect(!others_do(do_umount, &flags), "it does not wait");
	expect(all_in_flight(), "all pages are still under writeback");
	land();
	munmap(memory, SIZE);
	expect(!close(file), "the file can be closed");
	expect(ends(server_pid, LIMIT_MS) != -1, "the server ends");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
}

/* WRITEs that fail. */
static void error_is_reported(const void *argument)
{
	launch_file(*(const enum where *)argument, 1);
	server->fail = EIO;
	land();
	expect(fsync(file) && errno == EIO, "fsync reports it");
	expect_settled();
	server->fail = 0;
	expect(write_seed(file, 0, SIZE, 2) && !fsync(file), "the next one does not");
	expect(below_has(FILE_BELOW, 0, SIZE, 2), "and is in the file below");
	expect_settled();
}

/* A pipe that the server keeps. */

static void look_into_pipe(void)
{
	server->look = 1;
	eventually(!server->look);
}

static void kept_pipe_is_harmless(const void *argument)
{
	enum where where = *(const enum where *)argument;
	bool is_page;
	int flags = 0;

	open_file(options_for(where), SIZE, 1);
	server->keep_pipe = 1;
	launch(where);
	land();
	expect(!fsync(file), "fsync succeeds");
	require(server->pipes, "the server keeps a pipe");
	/* Compaction moves what is not in a pipe. */
	is_page = !is_base && where != IN_COPIES && !in_cma(pfn_of(memory)) &&
		  !in_movable(pfn_of(memory));
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	look_into_pipe();
	expect(is_painted((char *)server->seen, 0, 4096, 1), "and in the pipe");
	expect(eventually(!counter("nr_writeback")), "nothing is under writeback");

	expect(!others_do(do_compact, NULL), "compaction does not wait");
	paint(memory, 0, 4096, 2);
	expect(!others_do(do_wait, NULL), "a page can be written again");
	expect(below_has(FILE_BELOW, 0, 4096, 2), "and is in the file below");
	look_into_pipe();
	if (where == IN_COPIES)
		expect(is_painted((char *)server->seen, 0, 4096, 1),
		       "an unprivileged server does not see what is stored later");
	else if (is_page)
		expect(is_painted((char *)server->seen, 0, 4096, 2),
		       "what it has is the page itself, not a copy");
	expect(!others_do(do_truncate, NULL), "truncate does not wait");
	tell(FUSE_INVALIDATE, 0, SIZE, 0);
	munmap(memory, SIZE);
	expect(!close(file), "the file can be closed");
	expect(!others_do(do_umount, &flags), "it can be unmounted");
	server->keep_pipe = 0;
	expect_settled();
}

#define SLACK	64		/* what CPUs have on the side */
#define KEPT	512

/* What left the page cache in flight, and is only in a pipe, is no hidden memory. */
static void kept_pipe_counts(const void *argument)
{
	open_file(options_for(IN_PIPE), KEPT * 4096, 1);
	server->keep_pipe = 1;
	launch(IN_PIPE);
	tell(FUSE_INVALIDATE, 0, KEPT * 4096, 0);
	land();
	expect(!fsync(file), "fsync succeeds");
	require(server->pipes, "the server keeps a pipe");
	expect(owned_by_fuse() == KEPT, "%d pages are owned, not %ld", KEPT, owned_by_fuse());
	expect(bdi_writeback() > KEPT - SLACK, "they count for the mount, not %ld",
	       bdi_writeback());
	server->keep_pipe = 0;
	expect(eventually(!owned_by_fuse()), "no page is owned, but %ld", owned_by_fuse());
	expect(eventually(bdi_writeback() < SLACK), "none counts, but %ld", bdi_writeback());
	expect_settled();
}

/* A page that is bad. */

static int do_poison(void *argument)
{
	return madvise(memory, 4096, MADV_HWPOISON) ? errno : 0;
}

static void failure_does_not_wait(const void *argument)
{
	enum where where = *(const enum where *)argument;
	unsigned long pfn;
	int status;

	launch_file(where, 1);
	pfn = pfn_of(memory);
	status = others_do(do_poison, NULL);
	/* Nothing can be done about the page that the server has. */
	expect(!status || (where == IN_PIPE && status == EBUSY << 8),
	       "it ends, and succeeds, not %d", status >> 8);
	expect(!server->answered, "the server has not answered");
	expect(!others_do(do_drop_caches, NULL), "others do not wait");
	land();
	/* Whoever looks at the bad page would be killed. */
	munmap(memory, SIZE);
	fsync(file);
	expect(below_has(FILE_BELOW, 4096, SIZE - 4096, 1),
	       "the other pages are in the file below");
	if (where == IN_HAND)
		expect(below_has(FILE_BELOW, 0, 4096, 1), "as what the server had");
	if (!status) {
		expect(write_seed(file, 0, 4096, 2) && !fsync(file),
		       "the page can be written again");
		expect(below_has(FILE_BELOW, 0, 4096, 2), "and is in the file below");
	}
	expect_settled();
	set("/sys/kernel/debug/hwpoison/unpoison-pfn", pfn);
}

/* A page that a READ has locked: it cannot be had, but others are not held up. */

static unsigned long locked_pfn;

static unsigned long find_read_pfn(void)
{
	static uint64_t flags[1 << 13];
	int fd = open("/proc/kpageflags", O_RDONLY);
	unsigned long pfn = 0, found = 0;
	ssize_t length;

	while (!found && (length = read(fd, flags, sizeof(flags))) > 0)
		for (ssize_t i = 0; i < length / 8; i++, pfn++)
			if ((flags[i] & (1ULL << KPF_LOCKED | 1ULL << KPF_UPTODATE |
					 1ULL << KPF_SLAB | 1ULL << KPF_NOPAGE)) ==
			    1ULL << KPF_LOCKED)
				found = pfn;
	close(fd);
	return found;
}

static int do_read_all(void *argument)
{
	return !has_seed(file, 0, SIZE, 1);
}

static int do_poison_locked(void *argument)
{
	return set("/sys/kernel/debug/hwpoison/corrupt-pfn", locked_pfn) ? 0 : errno;
}

static int do_soft_offline_locked(void *argument)
{
	return set("/sys/devices/system/memory/soft_offline_page", locked_pfn * 4096) ? 0 : errno;
}

#define UNPOISON	"/sys/kernel/debug/hwpoison/unpoison-pfn"

static int do_soft_offline_elsewhere(void *argument)
{
	return madvise(argument, 4096, MADV_SOFT_OFFLINE);
}

/* What comes next is about another page, and takes the same mutex. */
static void expect_failure_elsewhere(void)
{
	char *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	unsigned long pfn = pfn_of(other);

	expect(!others_do(do_soft_offline_elsewhere, other), "soft offline elsewhere succeeds");
	munmap(other, 4096);
	set(UNPOISON, pfn);
}

static void failure_of_locked_does_not_wait(const void *argument)
{
	int (*const *fail)(void *argument) = argument;
	int fd = open(FILE_BELOW, O_RDWR | O_CREAT, 0644);
	pid_t reader;

	require(write_seed(fd, 0, SIZE, 1), "there is a file");
	open_file(WRITEBACK | THREADS, 0, 0);
	server->hold_reads = 1;
	reader = start_other(do_read_all, NULL);
	require(eventually(server->reads), "the server has a READ");
	locked_pfn = find_read_pfn();
	require(locked_pfn, "a page of it is found");
	expect(others_do(*fail, NULL) == EBUSY << 8, "it ends, and fails");
	expect_failure_elsewhere();
	server->hold_reads = 0;
	expect(ends(reader, LIMIT_MS) != -1, "the reader gets on");
	set(UNPOISON, locked_pfn);
}

/* The same of a server that is stopped, and has not even taken the READ. */
static void failure_of_queued_does_not_wait(const void *argument)
{
	int (*const *fail)(void *argument) = argument;
	int fd = open(FILE_BELOW, O_RDWR | O_CREAT, 0644);
	pid_t reader;

	require(write_seed(fd, 0, SIZE, 1), "there is a file");
	open_file(WRITEBACK, 0, 0);
	stop_server();
	reader = start_other(do_read_all, NULL);
	require(eventually((locked_pfn = find_read_pfn())), "a page is being read");
	expect(others_do(*fail, NULL) == EBUSY << 8, "it ends, and fails");
	expect_failure_elsewhere();
	expect(!server->reads, "the server has not taken the READ");
	continue_server();
	expect(ends(reader, LIMIT_MS) != -1, "the reader gets on");
	set(UNPOISON, locked_pfn);
}

/*
 * Who is about to drop a page of the cache writes it first, with the page locked:
 * that the server is told of its own file does not make it answer.
 */
static void failure_of_laundered_does_not_wait(const void *argument)
{
	int (*const *fail)(void *argument) = argument;
	int done;

	open_file(WRITEBACK, SIZE, 1);
	answered = server->answered;
	server->hold = 1;
	locked_pfn = pfn_of(memory);
	done = server->done;
	order(FUSE_INVALIDATE, 0, 4096, 0);
	require(eventually(server->held), "the server has a WRITE");
	require(page_flags(locked_pfn) & (1ULL << KPF_LOCKED), "the page is locked");
	expect(others_do(*fail, NULL) == EBUSY << 8, "it ends, and fails");
	expect_failure_elsewhere();
	expect(server->answered == answered && server->done == done,
	       "the server has not answered");
	/* Whoever looks at the bad page would be killed. */
	munmap(memory, SIZE);
	land();
	expect_done(done);
	fsync(file);
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
	set(UNPOISON, locked_pfn);
}

/* Accounts, at each moment. */

#define MANY	2048

static void expect_accounts(long pages)
{
	long bdi = bdi_writeback();

	expect(counter("nr_writeback") == pages, "nr_writeback is %ld, not %ld", pages,
	       counter("nr_writeback"));
	expect(counter("nr_writeback_temp") == pages, "nr_writeback_temp is %ld, not %ld",
	       pages, counter("nr_writeback_temp"));
	expect(bdi >= pages - SLACK && bdi <= pages + SLACK, "BdiWriteback is %ld, not %ld",
	       pages, bdi);
}

static void accounts_are_right(const void *argument)
{
	unsigned int options = *(const int *)argument;

	serve(WRITEBACK | options);
	file = open(FILE_PATH, O_RDWR | O_CREAT, 0644);
	server->hold = 1;
	require(write_seed(file, 0, MANY * 4096, 1), "a file is written");
	require(start_writeback(file), "writeback is started");
	expect(eventually(server->held == MANY / 256), "the server has it");
	expect_accounts(MANY);
	for (int left = MANY / 256; left > 3; left--) {
		server->let_go = 1;
		if (!expect(eventually(server->held == left - 1 &&
				       counter("nr_writeback_temp") == (left - 1) * 256),
			    "the answer counts"))
			break;
		expect_accounts((left - 1) * 256);
	}
	tell(FUSE_INVALIDATE, 0, MANY * 4096, 0);
	/* Pages that have left the cache count for their server until the answer. */
	expect(!counter("nr_writeback"), "nr_writeback is 0, not %ld", counter("nr_writeback"));
	expect(!counter("nr_writeback_temp"), "nr_writeback_temp is 0, not %ld",
	       counter("nr_writeback_temp"));
	expect(bdi_writeback() >= 3 * 256 - SLACK, "BdiWriteback is %d, not %ld", 3 * 256,
	       bdi_writeback());
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, MANY * 4096, 1), "all is in the file below");
	expect(eventually(bdi_writeback() <= SLACK), "BdiWriteback is 0, not %ld",
	       bdi_writeback());
	expect_settled();
}

/* Limits of memory. */

static bool make_group(const char *limit)
{
	rmdir(GROUP);
	return !mkdir(GROUP, 0755) && put_string(GROUP "/memory.max", limit);
}

static bool join_group(const char *path)
{
	char text[64];

	snprintf(text, sizeof(text), "%s/cgroup.procs", path);
	return put_string(text, "0");
}

static long stat_of_group(const char *name)
{
	char line[128], found[64];
	long value = -1;
	FILE *stat = fopen(GROUP "/memory.stat", "r");

	while (stat && fgets(line, sizeof(line), stat)) {
		if (sscanf(line, "%63s %ld", found, &value) == 2 && !strcmp(found, name))
			break;
		value = -1;
	}
	if (stat)
		fclose(stat);
	return value;
}

/* More of a file than there may be in memory. */
static int do_fill_cache(void *argument)
{
	static char buffer[1 << 16];
	int fd = *(int *)argument;

	for (int i = 0; i < 48 << 4; i++)
		if (pread(fd, buffer, sizeof(buffer), (off_t)i << 16) != sizeof(buffer))
			return 1;
	return 0;
}

static int do_reclaim(void *argument)
{
	/* It may not get as much. */
	put_string(GROUP "/memory.reclaim", "12M");
	return 0;
}

static void use_lru_gen(bool on)
{
	put_string("/sys/kernel/mm/lru_gen/enabled", on ? "y" : "n");
}

static void reclaim_does_not_wait(const void *argument)
{
	enum where where = *(const enum where *)argument;
	int big = open(OTHER_BELOW, O_RDWR | O_CREAT, 0644);

	require(!ftruncate(big, 48 << 20), "there is a big file");
	require(make_group("24M") && join_group(GROUP), "memory is limited");
	/* Not the server: who reclaims here is who reads. */
	open_file(options_for(where), SIZE, 1);
	big = open(OTHER_PATH, O_RDONLY);
	/* It is so much for the group that some of it is sent before launch(). */
	server->hold = 1;
	require(write_seed(file, SIZE, (8 << 20) - SIZE, 1), "more is written");
	launch(where);
	require(all_in_flight(), "all pages are under writeback");
	if (!is_base)
		expect(eventually(stat_of_group("file_writeback") == 8 << 20),
		       "file_writeback is %d", 8 << 20);
	if (where != IN_QUEUE)
		expect(!others_do(do_fill_cache, &big), "reading a big file ends");
	expect(!others_do(do_reclaim, NULL), "memory.reclaim ends");
	expect(below_has(FILE_BELOW, 0, 0, 1) && !server->answered,
	       "the server has not answered");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, 8 << 20, 1), "all is in the file below");
	expect(eventually(!stat_of_group("file_writeback")), "file_writeback is zero");
	expect_settled();
	join_group("/sys/fs/cgroup");
}

/* With the lists of old. */
static void old_reclaim_does_not_wait(const void *argument)
{
	use_lru_gen(false);
	reclaim_does_not_wait(argument);
	use_lru_gen(true);
}

static int do_write_big(void *argument)
{
	for (int i = 0; i < 32; i++)
		if (!write_seed(file, (off_t)i << 20, 1 << 20, 1))
			return 1;
	return fsync(file);
}

/* There is a single thread, which needs memory for each WRITE. */
static void allocation_gets_on(const void *argument)
{
	int fd = open(FILE_BELOW, O_RDWR | O_CREAT, 0644);

	/* The file below is not in this group. */
	require(write_seed(fd, 0, 32 << 20, 2), "a file is written");
	require(make_group("16M") && join_group(GROUP), "memory is limited");
	open_file(WRITEBACK | BLOCKING | LIMITED | *(const int *)argument, 0, 0);
	server->allocate = 4 << 20;
	expect(!ends(start_other(do_write_big, NULL), 2 * LIMIT_MS), "it gets on");
	expect(below_has(FILE_BELOW, 0, 32 << 20, 1), "all is in the file below");
	expect_settled();
	join_group("/sys/fs/cgroup");
}

/* Another file system, and its memory. */

#define DISK	"/dev/ram0"
#define OTHER	FUSE_TOP "/other"
#define IN_FLIGHT	(32 << 20)

static void mount_other(void)
{
	mkdir(OTHER, 0755);
	require(run("mkfs.ext2 -q -F -b 4096 " DISK) &&
		!mount(DISK, OTHER, "ext2", 0, NULL),
		"there is another file system");
}

static void umount_other(void)
{
	umount2(OTHER, MNT_DETACH);
}

/* More than a server has in its hands at a time: the rest is in the queue. */
static void launch_many(void)
{
	open_file(WRITEBACK, 0, 0);
	server->hold = 1;
	require(write_seed(file, 0, IN_FLIGHT, 1), "a big file is written");
	start_other(do_wait, NULL);
	require(eventually(bdi_writeback() >= IN_FLIGHT / 4096 - SLACK), "all of it is in flight");
}

static void expect_many(void)
{
	expect(!server->answered, "the server has not answered");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, IN_FLIGHT, 1), "all is in the file below");
	expect_settled();
}

static int do_write_elsewhere(void *argument)
{
	int fd = open(OTHER "/file", O_RDWR | O_CREAT, 0644);
	bool ok = write_seed(fd, 0, 2 << 20, 2) && !fsync(fd);

	close(fd);
	return !ok;
}

/* How often a writer of the other file system had to pause. */
static int pauses(void)
{
	char line[512];
	int count = 0;
	FILE *trace = fopen(TRACING "trace", "r");

	while (trace && fgets(line, sizeof(line), trace))
		count += !!strstr(line, "balance_dirty_pages: bdi 1:0");
	if (trace)
		fclose(trace);
	return count;
}

static void others_are_not_slowed_down(const void *argument)
{
	long ratio = get("/proc/sys/vm/dirty_ratio");
	long background = get("/proc/sys/vm/dirty_background_ratio");

	mount_other();
	launch_many();
	require(set(TRACING "trace", 0) &&
		set(TRACING "events/writeback/balance_dirty_pages/enable", 1),
		"pauses can be seen");
	set("/proc/sys/vm/dirty_background_bytes", 20 << 20);
	set("/proc/sys/vm/dirty_bytes", 24 << 20);
	expect(!others_do(do_write_elsewhere, NULL), "it ends, and succeeds");
	expect(!pauses(), "it does not pause, but did %d times", pauses());
	set(TRACING "events/writeback/balance_dirty_pages/enable", 0);
	set("/proc/sys/vm/dirty_ratio", ratio);
	set("/proc/sys/vm/dirty_background_ratio", background);
	expect_many();
	umount_other();
}

/* From the server's pipe, pages go on to a disk as they are: each is a buffer. */
static void pipe_goes_on(const void *argument)
{
	mount_other();
	open_file(options_for(*(const enum where *)argument), SIZE, 1);
	snprintf(server->direct, sizeof(server->direct), OTHER "/direct");
	expect(!fsync(file), "fsync succeeds");
	expect(server->spliced, "the server has it in a pipe");
	expect(below_has(OTHER "/direct", 0, SIZE, 1), "all is on the disk");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "and in the file below");
	/* Once more, with requests of two pages. */
	paint(memory, 0, 8192, 2);
	paint(memory + SIZE - 8192, SIZE - 8192, 8192, 2);
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(OTHER "/direct", 0, 8192, 2) &&
	       below_has(OTHER "/direct", 8192, SIZE - 16384, 1) &&
	       below_has(OTHER "/direct", SIZE - 8192, 8192, 2), "all is on the disk");
	expect_settled();
	umount_other();
}

/* A file without blocks, which is larger than memory. */
static int do_read_holes(void *argument)
{
	static char buffer[1 << 18];
	int fd = open(OTHER "/holes", O_RDONLY);
	ssize_t size;

	while ((size = read(fd, buffer, sizeof(buffer))) > 0)
		continue;
	close(fd);
	return size < 0;
}

static void global_reclaim_does_not_wait(const void *argument)
{
	long memory = sysconf(_SC_PHYS_PAGES) * 4096L;
	int fd;

	use_lru_gen(*(const bool *)argument);
	mount_other();
	fd = open(OTHER "/holes", O_RDWR | O_CREAT, 0644);
	require(!ftruncate(fd, memory + memory / 4), "there is a big file");
	close(fd);
	launch_many();
	expect(!ends(start_other(do_read_holes, NULL), 10 * LIMIT_MS), "reading it ends");
	expect(counter("pgsteal_kswapd") + counter("pgsteal_direct"), "memory was reclaimed");
	expect_many();
	use_lru_gen(true);
	umount_other();
}

/*
 * Direct I/O into a mapping dirties a page when it starts, and once more when
 * it ends: in between, the page may get in flight.  The disk is slow with what
 * comes right after another read.
 */

static const char *slow_disk;
static atomic_bool is_slow;

static int do_read_disk(void *argument)
{
	char *buffer = aligned_alloc(4096, 4096);
	int fd = open(slow_disk, O_RDONLY | O_DIRECT);

	if (read(fd, buffer, 4096) != 4096)
		return 1;
	is_slow = true;
	return read(fd, memory, 4096) != 4096;
}

static void is_dirtied_in_flight(const void *argument)
{
	pid_t pid;

	open_file(options_for(*(const enum where *)argument), SIZE, 1);
	expect(!fsync(file), "fsync succeeds");
	pid = start_other(do_read_disk, NULL);
	expect(eventually(is_slow) && falls_asleep(pid), "a read is under way");
	launch(*(const enum where *)argument);
	expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
	expect(start_writeback(file), "writeback is started");
	pid = start_other(do_flush, NULL);
	expect(falls_asleep(pid), "who closes it waits");
	expect(!others_do(do_sync, NULL), "sync does not wait for that");
	server->newest_first = 1;
	land();
	expect(!ends(pid, LIMIT_MS), "it is closed, and has succeeded");
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, 4096, 0), "what was read is in the file below");
	expect(below_has(FILE_BELOW, 4096, SIZE - 4096, 1), "the rest is as it was");
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect_settled();
}

/* The list of claims. */

static void *copy_of(const void *value, size_t size)
{
	return memcpy(malloc(size), value, size);
}

static void claim_at(void (*check)(const void *), const struct operation *operation,
		     enum where where, const char *format)
{
	const struct scenario scenario = { operation, where };
	char name[128];

	snprintf(name, sizeof(name), format, operation->name);
	claim(check, copy_of(&scenario, sizeof(scenario)), "%s, %s", name, place_names[where]);
}

static void claims_of_data(void)
{
	static const struct {
		const char *name;
		int options;
	} servers[] = {
		{ "a plain server", WRITEBACK },
		{ "a splicing server", WRITEBACK | SPLICE },
		{ "an unprivileged splicing server", WRITEBACK | SPLICE | UNPRIVILEGED },
		{ "a server with threads", WRITEBACK | THREADS },
		{ "a server without the writeback cache", 0 },
		{ "a splicing server without the writeback cache", SPLICE },
		{ "a server that drops the cache", WRITEBACK | DROP_CACHE },
		{ "a server that passes through", PASSTHROUGH },
		{ "a server for a block device", WRITEBACK | FUSEBLK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		if (servers[i].options & FUSEBLK && access("/dev/ram1", F_OK))
			continue;
		claim(data_is_right, &servers[i].options, "data is right, %s", servers[i].name);
	}
	for (size_t i = 0; i < 5; i++)
		claim(stress_is_survived, &servers[i].options, "stress is survived, %s",
		      servers[i].name);
	for (size_t i = 0; i < 4; i++)
		claim(order_is_kept, &servers[i].options, "order is kept, %s", servers[i].name);
	claim(accounts_are_right, &servers[0].options, "accounts are right, %s",
	      servers[0].name);
	claim(accounts_are_right, &servers[1].options, "accounts are right, %s",
	      servers[1].name);
}

static void claims_of_others(enum where where)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		if (where != IN_QUEUE || !operations[i].asks)
			claim_at(does_not_wait, &operations[i], where, "%s does not wait");
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		claim_at(does_wait, &waits[i], where, "%s waits");
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		if (where != IN_QUEUE || !changes[i].asks)
			claim_at(lands_later, &changes[i], where, "%s lands later");
	for (size_t i = 0; i < ARRAY_SIZE(truncations); i++)
		if (where != IN_QUEUE || !truncations[i].asks)
			claim_at(nothing_lands_afterwards, &truncations[i], where,
				 "nothing lands after %s");
}

static void claims_of_place(enum where where)
{
	enum where *place = copy_of(&where, sizeof(where));
	const char *name = place_names[where];

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		const struct farewell farewell = { &endings[i], where };

		claim(ending_is_final, copy_of(&farewell, sizeof(farewell)), "%s is final, %s",
		      endings[i].name, name);
	}
	if (where != IN_COPIES) {
		claim(failure_does_not_wait, place, "memory failure does not wait, %s", name);
		claim(reclaim_does_not_wait, place, "reclaim does not wait, %s", name);
		claim(old_reclaim_does_not_wait, place, "reclaim without lru_gen does not wait, %s",
		      name);
	}
	if (where == IN_QUEUE)
		return;
	claim(server_on_top_does_not_wait, place, "a server on top does not wait, %s", name);
	claim(server_truncates, place, "the server may truncate, %s", name);
	claim(invalidate_is_ordered, place, "notify_inval does not wait, %s", name);
	claim(invalidate_loses_nothing, place, "notify_inval loses nothing, %s", name);
	claim(store_does_not_wait, place, "notify_store does not wait, %s", name);
	claim(lazy_umount_does_not_wait, place, "umount -l does not wait, %s", name);
	if (slow_disk && where != IN_COPIES)
		claim(is_dirtied_in_flight, place, "a page may be dirtied, %s", name);
	claim(error_is_reported, place, "an error is reported, %s", name);
	if (where >= IN_PIPE)
		claim(kept_pipe_is_harmless, place, "a pipe may be kept, %s", name);
}

static int check_directory(const char *directory)
{
	above = directory;
	below = directory;
	ksft_print_header();
	claim(data_of_others_is_right, NULL, "data is right");
	claim(stress_of_others_is_survived, NULL, "stress is survived");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	check_claims();
	ksft_finished();
}

int main(int argc, char **argv)
{
	static const int plain, splice = SPLICE;
	static int (*const poison)(void *) = do_poison_locked;
	static int (*const soft_offline)(void *) = do_soft_offline_locked;
	static const struct follower direct = { do_write_directly, 2 };
	static const struct follower punch = { do_punch_first, 0 };
	static const struct follower sync = { do_sync_first, 1 };
	static const struct follower fsync_all = { do_fsync_all, 1 };
	static const struct follower close_all = { do_close_all, 1 };
	static const struct follower direct_drop = { do_write_directly, 2, DROP_CACHE };
	static const bool off, on = true;
	static const enum where places[] = { IN_HAND, IN_QUEUE, IN_PIPE };
	static const enum where unprivileged = IN_COPIES;
	static const enum fuse_order detaching[] = { FUSE_INVALIDATE, FUSE_STORE };

	only = argc > 1 ? argv[1] : NULL;
	if (argc > 2)
		return check_directory(argv[2]);
	slow_disk = access("/dev/vda", R_OK) ? NULL : "/dev/vda";
	ksft_print_header();
	need_fuse();
	claims_of_data();
	claim(unlink_does_not_wait, NULL, "unlink does not wait");
	claim(background_does_not_matter, NULL, "a rename elsewhere does not wait");
	if (!is_base && !has_cma() && !has_movable())
		claim(kept_pipe_counts, NULL, "what a server keeps in a pipe counts");
	if (!is_base) {
		claim(failure_of_locked_does_not_wait, &poison,
		      "memory failure does not wait for a READ");
		claim(failure_of_locked_does_not_wait, &soft_offline,
		      "soft offline does not wait for a READ");
		claim(failure_of_queued_does_not_wait, &poison,
		      "memory failure does not wait for a READ in the queue");
		claim(failure_of_queued_does_not_wait, &soft_offline,
		      "soft offline does not wait for a READ in the queue");
		claim(failure_of_laundered_does_not_wait, &poison,
		      "memory failure does not wait for who launders a page");
		claim(failure_of_laundered_does_not_wait, &soft_offline,
		      "soft offline does not wait for who launders a page");
		claim(store_after_notify_can_be_killed, NULL,
		      "a store after notify_store can be killed");
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			claim(store_can_be_killed, &places[i], "a store can be killed, %s",
			      place_names[places[i]]);
			claim(write_can_be_killed, &places[i], "a write can be killed, %s",
			      place_names[places[i]]);
		}
	}
	claim(opening_drops, NULL, "an open that drops the cache does not wait");
	claim(store_spares_the_queue, NULL, "notify_store spares what is in the queue");
	for (size_t i = 0; i < ARRAY_SIZE(detaching); i++)
		claim(store_spares_what_is_detached, &detaching[i],
		      "notify_store spares what is in the queue after %s",
		      detaching[i] == FUSE_STORE ? "another" : "notify_inval");
	if (!is_base)
		claim(retrieve_holds_no_cache, NULL,
		      "what a server retrieves, and does not read, can be dropped");
	claim(retrieve_gets_the_latest, NULL, "what a server retrieves is what is there then");
	claim(store_is_whole, NULL, "notify_store does not mix with what is written");
	/* Without the copies, nobody waits for who makes a request. */
	if (!is_base && sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		claim(nothing_comes_back, &off, "nothing comes back from a request in the making");
		claim(nothing_comes_back, &on,
		      "nothing comes back from a request in the making without its pages");
		claim(making_is_seen, &direct, "a request in the making is seen by direct I/O");
		claim(making_is_seen, &punch, "a request in the making is seen by PUNCH_HOLE");
		claim(making_is_seen, &sync, "a request in the making is seen by msync");
		claim(making_is_seen, &fsync_all, "a request in the making is seen by fsync");
		claim(making_is_seen, &close_all, "a request in the making is seen by close");
		claim(making_is_seen, &direct_drop,
		      "a request in the making is seen by direct I/O of who drops the cache");
	}
	claim(allocation_gets_on, &plain, "a server that allocates gets on");
	claim(allocation_gets_on, &splice, "a splicing server that allocates gets on");
	if (!access(DISK, R_OK)) {
		claim(pipe_goes_on, &places[2], "a pipe goes on to a disk");
		claim(pipe_goes_on, &unprivileged, "an unprivileged pipe goes on to a disk");
		claim(others_are_not_slowed_down, NULL, "other file systems are not slowed down");
		/* All of the memory is read into: that takes long. */
		claim(global_reclaim_does_not_wait, &on,
		      "global reclaim does not wait")->limit_ms = 11 * LIMIT_MS;
		claim(global_reclaim_does_not_wait, &off,
		      "global reclaim without lru_gen does not wait")->limit_ms = 11 * LIMIT_MS;
	}
	for (enum where where = 0; where < NR_PLACES; where++) {
		claims_of_others(where);
		claims_of_place(where);
	}
	check_claims();
	ksft_finished();
}
