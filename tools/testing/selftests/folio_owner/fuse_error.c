// SPDX-License-Identifier: GPL-2.0
/*
 * fuse_error [TEXT]
 *
 * What a FUSE server fails to write, or the kernel to send, is reported, or is
 * tried again: nothing is lost in silence.  With TEXT, only what has it in its
 * name.
 */
#include "fuse.h"
#include "fault.h"

/*
 * What has been started to be written meanwhile has failed: the pages are clean,
 * so this is the last chance to hear of it.  It sends nothing, other than fsync,
 * which fails without a server in any case.
 */
static bool is_reported(void)
{
	return sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
			       SYNC_FILE_RANGE_WAIT_AFTER);
}

static void abort_connection(void)
{
	char path[128];

	snprintf(path, sizeof(path), CONNECTIONS "/%u/abort", minor(device));
	require(set(path, 1), "the connection is aborted");
}

static void expect_report(void)
{
	expect(eventually(!counter("nr_writeback")), "nothing is in flight");
	expect(is_reported(), "who waits for the data is told");
	continue_server();
	munmap(memory, SIZE);
	close(file);
	expect(ends(server_pid, LIMIT_MS) != -1, "the server ends");
	expect_settled();
}

static void abort_is_reported(const void *argument)
{
	launch_file(*(const enum where *)argument, 1);
	abort_connection();
	expect_report();
}

static void later_is_reported(const void *argument)
{
	open_file(WRITEBACK, SIZE, 1);
	abort_connection();
	/* It may fail by itself. */
	start_writeback(file);
	expect_report();
}

/* A server that writes less than it was given. */
static void short_write_is_reported(const void *argument)
{
	launch_file(IN_HAND, 1);
	server->shorten = *(const int *)argument;
	land();
	expect(fsync(file) && errno == EIO, "fsync fails with EIO");
	expect(size_of(FILE_BELOW) == SIZE - server->shorten,
	       "the server has left out %d bytes", server->shorten);
	expect(below_has(FILE_BELOW, 0, SIZE - server->shorten, 1),
	       "the rest is in the file below");
	expect(is_painted(memory, 0, SIZE, 1), "all is in the mapping");
	expect_settled();
	server->shorten = 0;
	expect(write_seed(file, 0, SIZE, 2) && !fsync(file), "what is written later is no error");
	expect(below_has(FILE_BELOW, 0, SIZE, 2), "and is in the file below");
	expect_settled();
}

/* No memory to make a request: the page stays dirty. */

#define MAKE	"fuse_writepages_fill"
#define LAUNDER	"fuse_launder_folio"
#define UNSHARE	"fuse_writeback_unshare"

static void fail_slab(const char *function, long times)
{
	require(put_string(FAIL_SLAB "cache-filter", "N") &&
		arm_faults(FAIL_SLAB, function, 0, times, false), "allocations can fail");
}

static void writeback_is_tried_again(const void *argument)
{
	open_file(WRITEBACK, SIZE, 1);
	fail_slab(MAKE, FAULTS);
	start_writeback(file);
	expect(disarm_faults(FAIL_SLAB) < FAULTS, "there was no memory");
	expect(!server->writes, "nothing was sent");
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
}

static void fsync_tries_again(const void *argument)
{
	open_file(WRITEBACK, SIZE, 1);
	fail_slab(MAKE, 3);
	expect(!fsync(file), "fsync succeeds");
	expect(!disarm_faults(FAIL_SLAB), "there was no memory for some time");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
}

static void invalidation_loses_nothing(const void *argument)
{
	open_file(WRITEBACK, SIZE, 1);
	fail_slab(LAUNDER, 1);
	tell(FUSE_INVALIDATE, 0, 4096, 0);
	expect(!disarm_faults(FAIL_SLAB), "there was no memory");
	expect(!server->writes && is_cached(0), "the page is still there");
	/* That it was not dropped may be an error, but it is not lost. */
	fsync(file);
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "all is in the file below");
	expect_settled();
}

/* Nor is it changed without a copy for the server. */
static void store_changes_nothing(const void *argument)
{
	int done;

	open_file(WRITEBACK | BLOCKING, SIZE, 1);
	launch_behind();
	done = server->done;
	require(set(FAIL_PAGE_ALLOC "min-order", 0) &&
		arm_faults(FAIL_PAGE_ALLOC, UNSHARE, 0, 1, false), "allocations can fail");
	order(FUSE_STORE, 0, 4096, 7);
	expect(eventually(server->done > done), "the server does not wait");
	expect(!disarm_faults(FAIL_PAGE_ALLOC), "there was no memory");
	expect(server->result == -ENOMEM, "it is told, not %d", server->result);
	expect(all_in_flight(), "all pages are still under writeback");
	expect(is_painted(memory, 0, SIZE, 1), "the mapping is as it was");
	tell(FUSE_STORE, 0, 4096, 7);
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, 1), "what was written is in the file below");
	expect(memory[0] == 7 && memory[4095] == 7, "what was stored is in the mapping");
	expect_settled();
}

int main(int argc, char **argv)
{
	static const enum where places[] = { IN_HAND, IN_QUEUE, IN_PIPE };
	static const int cuts[] = { 4096, 1, SIZE - 1 };

	only = argc > 1 ? argv[1] : NULL;
	ksft_print_header();
	need_fuse();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		claim(abort_is_reported, &places[i], "an abort is reported, %s",
		      place_names[places[i]]);
	claim(later_is_reported, NULL, "what is written after an abort is reported");
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++)
		claim(short_write_is_reported, &cuts[i], "%d bytes that are left out are reported",
		      cuts[i]);
	if (can_fail(FAIL_SLAB)) {
		claim(writeback_is_tried_again, NULL, "writeback without memory loses nothing");
		claim(fsync_tries_again, NULL, "fsync without memory tries again");
		claim(invalidation_loses_nothing, NULL,
		      "invalidation without memory loses nothing");
	}
	if (!is_base && can_fail(FAIL_PAGE_ALLOC))
		claim(store_changes_nothing, NULL, "notify_store without memory changes nothing");
	check_claims();
	disarm_faults(FAIL_SLAB);
	disarm_faults(FAIL_PAGE_ALLOC);
	ksft_finished();
}
