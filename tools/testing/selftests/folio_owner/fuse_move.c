// SPDX-License-Identifier: GPL-2.0
/*
 * fuse_move [TEXT]
 *
 * A page that a FUSE server is to write is moved as any other; only one that
 * it has in a pipe stays, and whoever wants to move it goes on.  What can be
 * moved in which way depends on the machine.  With TEXT, only what has it in
 * its name.
 *
 * Leaves poisoned memory behind: for a machine that is thrown away.
 */
#include <linux/io_uring.h>
#include <mm/gup_test.h>
#include "fuse.h"

static unsigned long pfns[PAGES];
static bool is_claimed;		/* others have a claim to their place */

static void note_pfns(void)
{
	for (int i = 0; i < PAGES; i++)
		pfns[i] = pfn_of(memory + i * 4096);
	is_claimed = in_cma(pfns[0]) || in_movable(pfns[0]);
}

static int moved_pages(void)
{
	int moved = 0;

	for (int i = 0; i < PAGES; i++) {
		touch(memory + i * 4096);
		moved += pfn_of(memory + i * 4096) != pfns[i];
	}
	return moved;
}

/* Ways to move pages; they are run by another process. */

static int move_by_soft_offline(void *argument)
{
	for (int i = 0; i < PAGES; i++)
		if (madvise(memory + i * 4096, 4096, MADV_SOFT_OFFLINE))
			return errno;
	return 0;
}

static bool always(void)
{
	return true;
}

static int move_by_nodes(void *argument)
{
	for (int i = 0; i < PAGES; i++) {
		void *page = memory + i * 4096;

		if (!move_to_node(page, !node_of_page(page)))
			return 1;
	}
	return 0;
}

static int move_by_offline(void *argument)
{
	bool ok = true;

	/* The pages may be in several blocks. */
	for (int i = 0; i < PAGES; i++)
		if (i == 0 || strcmp(strdup(block_path(pfns[i - 1], "state")),
				     block_path(pfns[i], "state")))
			ok &= put_string(block_path(pfns[i], "state"), "offline");
	return !ok;
}

static void undo_offline(void)
{
	for (int i = 0; i < PAGES; i++)
		put_string(block_path(pfns[i], "state"), "online_movable");
}

/* Is it allocated from the area?  The bitmap is printed as numbers of 32 bits. */
static bool is_allocated(unsigned long pfn)
{
	unsigned long place = pfn - get(cma_path("base_pfn"));
	FILE *bitmap = fopen(cma_path("bitmap"), "r");
	unsigned int word = 0;

	for (unsigned long i = 0; bitmap && i <= place / 32; i++)
		if (fscanf(bitmap, "%u", &word) != 1)
			word = 0;
	if (bitmap)
		fclose(bitmap);
	return word >> place % 32 & 1;
}

/* What is allocated first comes first: on and on, to where the pages are. */
static int move_by_cma(void *argument)
{
	for (int i = 0; i < PAGES; i++)
		while (in_cma(pfns[i]) && !is_allocated(pfns[i]))
			if (!set(cma_path("alloc"), 1024))
				return 1;
	return 0;
}

static void undo_cma(void)
{
	set(cma_path("free"), get(cma_path("count")));
}

static int gup_test = -1;

static int pin_for_long(void)
{
	struct pin_longterm_test pin = {
		.addr = (unsigned long)memory,
		.size = SIZE,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_FAST,
	};

	return ioctl(gup_test, PIN_LONGTERM_TEST_START, &pin) ? errno : 0;
}

/* Out of where pages must not stay for long. */
static int move_by_pin(void *argument)
{
	/* The file holds the pin, and is shared with who looks. */
	return pin_for_long();
}

static bool can_pin(void)
{
	return !access("/sys/kernel/debug/gup_test", F_OK) && (has_cma() || has_movable());
}

static void undo_pin(void)
{
	close(gup_test);
	gup_test = -1;
}

static bool anywhere(unsigned long pfn)
{
	return true;
}

static bool in_either(unsigned long pfn)
{
	if (gup_test < 0)
		gup_test = open("/sys/kernel/debug/gup_test", O_RDWR);
	return in_cma(pfn) || in_movable(pfn);
}

static void nothing(void)
{
}

struct way {
	const char *name;
	bool (*is_there)(void);
	bool (*is_place)(unsigned long pfn);	/* to move pages from */
	int (*move)(void *argument);
	void (*undo)(void);
};

static const struct way ways[] = {
	{ "move_pages", has_nodes, anywhere, move_by_nodes, nothing },
	{ "memory offline", has_movable, in_movable, move_by_offline, undo_offline },
	{ "CMA", has_cma, in_cma, move_by_cma, undo_cma },
	{ "a long-term pin", can_pin, in_either, move_by_pin, undo_pin },
	/* The last one, as bad pages are left behind. */
	{ "soft offline", always, anywhere, move_by_soft_offline, nothing },
};

struct journey {
	const struct way *way;
	enum where where;
};

/* Pages that this CPU has at hand would come first, wherever they are. */
static void use_up_lists(const struct way *way)
{
	const size_t part = 1 << 20;
	cpu_set_t here;
	int fd = memfd_create("ballast", 0);
	char *map = mmap(NULL, 512 * part, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	bool is_there = false;

	CPU_ZERO(&here);
	CPU_SET(0, &here);
	require(!sched_setaffinity(0, sizeof(here), &here), "it can stay on a CPU");
	require(!ftruncate(fd, 512 * part) && map != MAP_FAILED, "there is a file");
	for (int i = 0; i < 512 && !is_there; i++) {
		is_there = true;
		for (size_t j = i * part; j < (i + 1) * part; j += 4096) {
			map[j] = 1;
			is_there &= way->is_place(pfn_of(map + j));
		}
	}
}

static bool is_in_place(const struct way *way)
{
	for (int i = 0; i < PAGES; i++)
		if (!way->is_place(pfns[i]))
			return false;
	return true;
}

/* Once more, if a page of the file is not where it can be moved from. */
static void open_file_for(const struct way *way, unsigned int options)
{
	serve(options);
	for (int i = 0; i < 10; i++) {
		use_up_lists(way);
		make_file_above(SIZE, 1);
		note_pfns();
		if (is_in_place(way))
			return;
		munmap(memory, SIZE);
		close(file);
		unlink(FILE_PATH);
	}
	require(false, "pages are where they can be moved from");
}

static void expect_moved(const struct way *way, int status, enum where where)
{
	int moved = moved_pages();

	if (!expect(status != -1, "it ends"))
		return;
	if (where == IN_PIPE && !is_claimed) {
		expect(!moved || is_base, "the server has the pages: they stay");
		return;
	}
	expect(!status, "it succeeds, not %d", status >> 8);
	expect(moved == PAGES, "all pages are moved, not %d", moved);
}

static void is_moved(const void *argument)
{
	const struct journey *journey = argument;
	const struct way *way = journey->way;

	open_file_for(way, options_for(journey->where));
	launch(journey->where);
	require(all_in_flight(), "all pages are under writeback");
	note_pfns();
	expect_moved(way, others_do(way->move, NULL), journey->where);
	expect(is_painted(memory, 0, SIZE, 1), "the content is as it was");
	expect_landing(1);
	expect(counter("nr_dirty") >= 0, "nr_dirty is not negative");
	way->undo();
	/* It is a page as any other. */
	paint(memory, 0, SIZE, 2);
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 2), "what is stored later is in the file below");
	expect_settled();
}

/* Somebody waits to write to the page, and has it locked, or not. */
static int do_store(void *argument)
{
	paint(memory, 0, 4096, 2);
	return fsync(file);
}

static int do_write(void *argument)
{
	return !write_seed(file, 0, 4096, 2) || fsync(file);
}

static void is_moved_while_waited_for(const void *argument)
{
	const struct way *way = argument;

	for (int i = 0; i < 2; i++) {
		pid_t pid;

		if (i)
			clean_up_fuse();
		open_file_for(way, options_for(IN_HAND));
		launch(IN_HAND);
		require(all_in_flight(), "all pages are under writeback");
		note_pfns();
		pid = start_other(i ? do_store : do_write, NULL);
		expect(falls_asleep(pid), "who writes waits");
		expect_moved(way, others_do(way->move, NULL), IN_HAND);
		/* It may have looked. */
		expect(falls_asleep(pid), "who writes still waits");
		server->newest_first = 1;
		land();
		expect(!ends(pid, LIMIT_MS), "it ends, and succeeds");
		expect(below_has(FILE_BELOW, 0, 4096, 2), "what is in the file below is the later");
		expect(below_has(FILE_BELOW, 4096, SIZE - 4096, 1), "the rest is as it was");
		expect(is_painted(memory, 0, 4096, 2), "as is the mapping");
		expect(!server->overlaps, "no two WRITEs for a page at the same time");
		expect_settled();
		way->undo();
		munmap(memory, SIZE);
		close(file);
	}
}

/* Pages that have left the cache, while the server has yet to read them. */
static void detached_is_out_of_the_way(const void *argument)
{
	const struct way *way = argument;

	open_file_for(way, WRITEBACK | BLOCKING);
	launch_behind();
	note_pfns();
	tell(FUSE_INVALIDATE, 0, SIZE, 0);
	expect(!others_do(way->move, NULL), "it ends, and succeeds");
	expect(server->answered == answered, "the server has not answered");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect(is_painted(memory, 0, SIZE, 1), "and in the mapping");
	expect_settled();
	way->undo();
}

/* Between the two, data of the page must not be lost. */
static void is_moved_when_dirty(const void *argument)
{
	const struct way *way = argument;

	int writes;

	open_file_for(way, options_for(IN_HAND));
	writes = server->writes;
	expect_moved(way, others_do(way->move, NULL), IN_HAND);
	expect(server->writes == writes, "nothing was written");
	launch(IN_HAND);
	expect_landing(1);
	way->undo();
}

/* After the answer, from a pipe that the server keeps. */
static void kept_is_not_waited_for(const void *argument)
{
	const struct way *way = argument;

	open_file_for(way, options_for(IN_PIPE));
	server->keep_pipe = 1;
	launch(IN_PIPE);
	land();
	expect(!fsync(file), "fsync succeeds");
	note_pfns();
	expect_moved(way, others_do(way->move, NULL), IN_PIPE);
	expect(is_painted(memory, 0, SIZE, 1), "the content is as it was");
	server->keep_pipe = 0;
	eventually(!server->pipes);
	expect_settled();
	way->undo();
}

/* What the server asks for, and does not read. */
static void retrieve_is_out_of_the_way(const void *argument)
{
	const struct way *way = argument;
	int status, pages = 0;

	open_file_for(way, WRITEBACK | BLOCKING);
	retrieve_unread();
	status = others_do(way->move, NULL);
	/* They are clean: CMA drops such.  Who looks at those has to read them. */
	while (pages < PAGES && is_cached(pages))
		pages++;
	expect(pages == PAGES || way->move == move_by_cma, "all are in the page cache");
	expect_retrieved(pages * 4096, 1);
	expect_moved(way, status, IN_HAND);
	expect(is_painted(memory, 0, SIZE, 1), "the content is as it was");
	expect_settled();
	way->undo();
}

/*
 * Compaction: every other page frame is free.  It may be that pages lie where
 * they need not be moved; those of another file may not.
 */

#define CHESS_PAGES	512
#define CHESS_FILES	32

static int do_compact(void *argument)
{
	return !set("/proc/sys/vm/compact_memory", 1);
}

static struct {
	int fd;
	char *map;
	unsigned long pfns[CHESS_PAGES];
} boards[CHESS_FILES];

static void lay_out(int number)
{
	int between = memfd_create("between", 0);
	char name[64], page[4096] = "";

	snprintf(name, sizeof(name), ABOVE "/board%d", number);
	file = open(name, O_RDWR | O_CREAT, 0644);
	for (int i = 0; i < CHESS_PAGES; i++) {
		require(write_seed(file, i * 4096, 4096, number + 1) &&
			write(between, page, 4096) == 4096,
			"a file is written, with other pages in between");
	}
	close(between);
	memory = mmap(NULL, CHESS_PAGES * 4096, PROT_READ, MAP_SHARED, file, 0);
	for (int i = 0; i < CHESS_PAGES; i++) {
		touch(memory + i * 4096);
		boards[number].pfns[i] = pfn_of(memory + i * 4096);
	}
	boards[number].fd = file;
	boards[number].map = memory;
}

static int moved_on(int number)
{
	int moved = 0;

	for (int i = 0; i < CHESS_PAGES; i++) {
		char *page = boards[number].map + i * 4096;

		touch(page);
		if (pfn_of(page) == boards[number].pfns[i])
			continue;
		moved++;
		if (!is_base && !expect(under_writeback(page),
					"page %d is still under writeback", i))
			break;
	}
	return moved;
}

static void expect_board(int number)
{
	char name[64];

	snprintf(name, sizeof(name), BELOW "/board%d", number);
	land();
	expect(!fsync(boards[number].fd), "fsync succeeds");
	expect(below_has(name, 0, CHESS_PAGES * 4096, number + 1), "all is in the file below");
	expect(is_painted(boards[number].map, 0, CHESS_PAGES * 4096, number + 1),
	       "and in the mapping");
}

static void is_compacted(const void *argument)
{
	int moved = 0;

	serve(WRITEBACK);
	for (int i = 0; i < CHESS_FILES && !moved && !failed; i++) {
		lay_out(i);
		launch(*(const enum where *)argument);
		require(all_in_flight(), "all pages are under writeback");
		expect(!others_do(do_compact, NULL), "it does not wait");
		moved = moved_on(i);
		expect(server->answered == answered, "the server has not answered");
		expect_board(i);
	}
	expect(moved, "pages are moved");
	expect_settled();
}

/* Buffers that are registered may be written to at any time: no page of a file. */
static int do_register(void *argument)
{
	struct io_uring_params params = { };
	struct iovec vec = { memory, SIZE };
	int fd = syscall(SYS_io_uring_setup, 1, &params);
	int error = 0;

	if (fd < 0)
		return 255;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &vec, 1) < 0)
		error = errno;
	close(fd);
	return error;
}

static void is_not_registered(const void *argument)
{
	int status;

	open_file(options_for(IN_HAND), SIZE, 1);
	launch(IN_HAND);
	require(all_in_flight(), "all pages are under writeback");
	status = others_do(do_register, NULL);
	expect(status == EFAULT << 8, "it ends, and fails as for any file: %d", status >> 8);
	expect_landing(1);
}

/* Moved again and again while the server reads. */

static void *copy_of(const void *value, size_t size)
{
	return memcpy(malloc(size), value, size);
}

static int run_mover(void *argument)
{
	while (true)
		move_by_nodes(NULL);
	return 0;
}

static void is_moved_at_any_time(const void *argument)
{
	pid_t mover;

	open_file(options_for(*(const enum where *)argument), SIZE, 1);
	mover = start_other(run_mover, NULL);
	for (int seed = 2; seed < 200; seed++) {
		paint(memory, 0, SIZE, seed);
		if (!expect(!fsync(file), "fsync succeeds") ||
		    !expect(below_has(FILE_BELOW, 0, SIZE, seed), "all is in the file below") ||
		    !expect(is_painted(memory, 0, SIZE, seed), "and in the mapping"))
			break;
	}
	kill(mover, SIGKILL);
	expect(ends(mover, LIMIT_MS) != -1, "what moves pages does not hang");
	expect_settled();
}

/* The list of claims. */

int main(int argc, char **argv)
{
	static const enum where places[] = { IN_HAND, IN_QUEUE, IN_PIPE, IN_COPIES };

	only = argc > 1 ? argv[1] : NULL;
	ksft_print_header();
	need_fuse();
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!ways[i].is_there())
			continue;
		for (enum where where = 0; where < NR_PLACES; where++) {
			const struct journey journey = { &ways[i], where };

			claim(is_moved, copy_of(&journey, sizeof(journey)), "%s moves pages %s",
			      ways[i].name, place_names[where]);
		}
		claim(is_moved_when_dirty, &ways[i], "%s moves dirty pages", ways[i].name);
		claim(is_moved_while_waited_for, &ways[i], "%s moves pages that are waited for",
		      ways[i].name);
		claim(kept_is_not_waited_for, &ways[i], "%s does not wait for a pipe",
		      ways[i].name);
		if (!is_base)
			claim(retrieve_is_out_of_the_way, &ways[i],
			      "%s moves pages that a server retrieves", ways[i].name);
		if (ways[i].move == move_by_offline || ways[i].move == move_by_cma)
			claim(detached_is_out_of_the_way, &ways[i],
			      "%s gets the place of pages out of the cache", ways[i].name);
	}
	claim(is_not_registered, NULL, "a registered buffer does not wait");
	claim(is_compacted, &places[0], "compaction moves pages %s", place_names[0]);
	claim(is_compacted, &places[1], "compaction moves pages %s", place_names[1]);
	for (size_t i = 0; has_nodes() && i < ARRAY_SIZE(places); i++)
		if (places[i] != IN_QUEUE)
			claim(is_moved_at_any_time, &places[i], "pages are moved at any time, %s",
			      place_names[i]);
	check_claims();
	ksft_finished();
}
