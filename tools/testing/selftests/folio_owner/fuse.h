/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of FUSE writeback share: a server that can be stuck, a file
 * with pages in flight, and ways to look at them.
 */
#ifndef FOLIO_OWNER_FUSE_H
#define FOLIO_OWNER_FUSE_H

#include "claims.h"
#include "fuse_server.h"
#include <linux/falloc.h>
#include <linux/kernel-page-flags.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define FUSE_TOP	"/tmp/fuse"
#define BELOW		FUSE_TOP "/below"
#define ABOVE		FUSE_TOP "/above"
#define TOP		FUSE_TOP "/top"	/* a server on top of that */
#define FILE_NAME	"file"
#define FILE_PATH	ABOVE "/" FILE_NAME
#define FILE_BELOW	BELOW "/" FILE_NAME
#define OTHER_PATH	ABOVE "/other"
#define OTHER_BELOW	BELOW "/other"
#define CONNECTIONS	"/sys/fs/fuse/connections"
#define FLUSH_INTERVAL	"/proc/sys/vm/dirty_writeback_centisecs"
#define PAGES		16
#define SIZE		(PAGES * 4096)

/* The server. */

enum {
	WRITEBACK = 1,		/* the writeback cache */
	SPLICE = 2,
	UNPRIVILEGED = 4,
	THREADS = 8,
	BLOCKING = 16,
	DROP_CACHE = 32,
	FUSEBLK = 64,
	PASSTHROUGH = 128,
	LIMITED = 256,		/* in what may be dirty, as servers are */
};

static struct fuse_control *server;
static pid_t server_pid;
static dev_t device;		/* of the mount */
static bool is_base;		/* nobody can see that a page is in flight */

static inline int unmount_above(int flags)
{
	return umount2(ABOVE, flags);
}

static inline struct fuse_control *share_control(char *number)
{
	int fd = memfd_create("control", 0);
	void *control;

	if (fd < 0 || ftruncate(fd, sizeof(struct fuse_control)))
		return NULL;
	control = mmap(NULL, sizeof(struct fuse_control), PROT_READ | PROT_WRITE,
		       MAP_SHARED, fd, 0);
	sprintf(number, "%d", fd);
	return control == MAP_FAILED ? NULL : control;
}

static inline void run_server(unsigned int options, const char *number,
			      const char *below, const char *above)
{
	static const char *const names[] = {
		"--writeback", "--splice", "--unprivileged", "--threads",
		"--blocking", "--drop-cache", "--device=/dev/ram1", "--passthrough",
	};
	const char *arguments[16] = { "./fuse_server", "--control", number };
	int count = 3;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (options & (1U << i))
			arguments[count++] = names[i];
	arguments[count++] = below;
	arguments[count] = above;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execv(arguments[0], (char **)arguments);
	_exit(127);
}

static inline char *bdi_path(const char *format)
{
	static char path[128];

	snprintf(path, sizeof(path), format, major(device), minor(device));
	return path;
}

/* Writers are not slowed down because the server is. */
static inline void lift_limits(void)
{
	set(bdi_path("/sys/class/bdi/%u:%u/max_ratio"), 100);
	set(bdi_path("/sys/class/bdi/%u:%u/strict_limit"), 0);
}

static inline void serve(unsigned int options)
{
	char number[16];
	struct stat stat;

	server = share_control(number);
	require(server, "memory can be shared");
	server_pid = fork();
	if (!server_pid)
		run_server(options, number, BELOW, ABOVE);
	require(eventually(server->ready) && !lstat(ABOVE, &stat), "the server is there");
	device = stat.st_dev;
	if (!(options & LIMITED))
		lift_limits();
}

static inline void stop_server(void)
{
	int status;

	kill(server_pid, SIGSTOP);
	waitpid(server_pid, &status, WUNTRACED);
}

static inline void continue_server(void)
{
	kill(server_pid, SIGCONT);
}

/* Content: each byte depends on its place, and on a seed. */

static inline char byte_at(int seed, uint64_t offset)
{
	return seed * 37 + (offset >> 12) * 11 + (offset & 4095) / 61;
}

static inline void paint(char *buffer, off_t offset, size_t size, int seed)
{
	for (size_t i = 0; i < size; i++)
		buffer[i] = byte_at(seed, offset + i);
}

/* Seed 0 is for zeroes. */
static inline bool is_painted(const char *buffer, off_t offset, size_t size, int seed)
{
	for (size_t i = 0; i < size; i++) {
		char byte = seed ? byte_at(seed, offset + i) : 0;

		if (buffer[i] == byte)
			continue;
		ksft_print_msg("at %#lx there is %02x, not %02x of %d\n",
			       (long)(offset + i), buffer[i] & 255, byte & 255, seed);
		return false;
	}
	return true;
}

static inline bool write_seed(int fd, off_t offset, size_t size, int seed)
{
	char *buffer = malloc(size);
	bool ok;

	paint(buffer, offset, size, seed);
	ok = pwrite(fd, buffer, size, offset) == (ssize_t)size;
	free(buffer);
	return ok;
}

static inline bool has_seed(int fd, off_t offset, size_t size, int seed)
{
	static char buffer[1 << 16];

	while (size) {
		size_t part = size < sizeof(buffer) ? size : sizeof(buffer);
		ssize_t length = pread(fd, buffer, part, offset);

		if (length <= 0) {
			ksft_print_msg("at %#lx there is nothing\n", (long)offset);
			return false;
		}
		if (!is_painted(buffer, offset, length, seed))
			return false;
		offset += length;
		size -= length;
	}
	return true;
}

static inline bool below_has(const char *path, off_t offset, size_t size, int seed)
{
	int fd = open(path, O_RDONLY);
	bool ok = fd >= 0 && has_seed(fd, offset, size, seed);

	close(fd);
	return ok;
}

static inline long size_of(const char *path)
{
	struct stat info;

	return stat(path, &info) ? -1 : info.st_size;
}

/* Accounts. */

/* Pages under writeback of the mount, give or take what CPUs have on the side. */
static inline long bdi_writeback(void)
{
	char line[128];
	long value = -1;
	FILE *file = fopen(bdi_path("/sys/kernel/debug/bdi/%u:%u/stats"), "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "BdiWriteback: %ld kB", &value) == 1)
			break;
	if (file)
		fclose(file);
	return value < 0 ? -1 : value / 4;
}

/* Folios of all owners of FUSE that are in flight. */
static inline long owned_by_fuse(void)
{
	char line[256], name[65];
	long sum = 0, live;
	FILE *file = fopen(OWNERS, "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%64s %ld", name, &live) == 2 && strstr(name, "fuse"))
			sum += live;
	if (file)
		fclose(file);
	return sum;
}

static inline void expect_settled(void)
{
	expect(eventually(!counter("nr_writeback")), "nr_writeback is zero, not %ld",
	       counter("nr_writeback"));
	expect(eventually(!counter("nr_writeback_temp")), "nr_writeback_temp is zero, not %ld",
	       counter("nr_writeback_temp"));
	expect(eventually(!owned_by_fuse()), "no folio is owned, but %ld", owned_by_fuse());
}

/* Pages in flight. */

enum where {
	IN_HAND,		/* the server has read the WRITE */
	IN_QUEUE,		/* it has not */
	IN_PIPE,		/* it has a pipe with the very pages */
	IN_COPIES,		/* the same, without the privilege */
	NR_PLACES
};

static const char *const place_names[] = {
	"in the server's hand", "in the queue", "in a pipe", "in an unprivileged pipe",
};

static int file = -1;
static char *memory;
static int answered;		/* before that */

static inline unsigned int options_for(enum where where)
{
	return WRITEBACK | (where >= IN_PIPE ? SPLICE : 0) |
	       (where == IN_COPIES ? UNPRIVILEGED : 0);
}

static inline bool start_writeback(int fd)
{
	return !sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Has it in the page table, to be looked at. */
static inline void touch(const void *address)
{
	atomic_load((const atomic_char *)address);
}

static inline bool under_writeback(const void *address)
{
	touch(address);
	return page_flags(pfn_of(address)) & (1ULL << KPF_WRITEBACK);
}

static inline bool all_in_flight(void)
{
	for (int i = 0; !is_base && i < PAGES; i++)
		if (!under_writeback(memory + i * 4096))
			return false;
	return true;
}

static inline void make_file_above(size_t size, int seed)
{
	file = open(FILE_PATH, O_RDWR | O_CREAT, 0644);
	require(file >= 0, "a file can be made, not %s", strerror(errno));
	if (!size)
		return;
	require(write_seed(file, 0, size, seed), "it can be written");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	require(memory != MAP_FAILED, "it can be mapped");
	for (size_t i = 0; i < size; i += 4096)
		touch(memory + i);
}

/* A file of this content on a mount of its own. */
static inline void open_file(unsigned int options, size_t size, int seed)
{
	serve(options);
	make_file_above(size, seed);
}

/* All the dirty pages of the file are now, and stay, in flight. */
static inline void launch(enum where where)
{
	int seen = server->writes;

	answered = server->answered;
	server->hold = 1;
	if (where == IN_QUEUE)
		stop_server();
	require(start_writeback(file), "writeback is started");
	if (where != IN_QUEUE)
		require(eventually((server->writes > seen || all_in_flight()) && server->held),
			"the server has it");
	if (where >= IN_PIPE)
		expect(eventually(server->spliced), "the server has it in a pipe");
}

static inline void launch_file(enum where where, int seed)
{
	open_file(options_for(where), SIZE, seed);
	launch(where);
	require(all_in_flight(), "all pages are under writeback");
}

static inline void land(void)
{
	server->hold = 0;
	continue_server();
}

/* They are still in flight, and land where they should. */
static inline void expect_landing(int seed)
{
	expect(server->answered == answered, "the server has not answered");
	expect(all_in_flight(), "all pages are still under writeback");
	land();
	expect(!fsync(file), "fsync succeeds");
	expect(below_has(FILE_BELOW, 0, SIZE, seed), "all is in the file below");
	expect(is_painted(memory, 0, SIZE, seed), "and in the mapping");
	expect(!server->overlaps, "no two WRITEs for a page at the same time");
	expect_settled();
}

/*
 * Somebody else, with the same files and memory: one that exits with files or
 * mappings of its own closes those, which waits for the server on any kernel.
 * errno is in that memory: it is of use while only one of them works.
 */
static inline pid_t start_other(int (*function)(void *), void *argument)
{
	size_t size = 1 << 18;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return clone(function, stack + size, CLONE_VM | CLONE_FILES | SIGCHLD, argument);
}

/* Others do this, and do not wait for the server. */
static inline int others_do(int (*function)(void *), void *argument)
{
	return ends(start_other(function, argument), LIMIT_MS);
}

/* What a server may tell the kernel about the file. */

static inline void order(enum fuse_order what, off_t offset, size_t length, char byte)
{
	snprintf(server->name, sizeof(server->name), FILE_NAME);
	server->offset = offset;
	server->length = length;
	server->byte = byte;
	server->order = what;
}

static inline void expect_done(int done)
{
	if (expect(eventually(server->done > done), "the server does not wait"))
		expect(!server->result, "it succeeds, not %d", server->result);
}

static inline void tell(enum fuse_order what, off_t offset, size_t length, char byte)
{
	int done = server->done;

	order(what, offset, length, byte);
	expect_done(done);
}

/*
 * A server that is BLOCKING is busy with another WRITE, and reads nothing, but
 * can be told to do something.
 */
static inline void keep_server_busy(void)
{
	int other = open(OTHER_PATH, O_RDWR | O_CREAT, 0644);

	answered = server->answered;
	server->hold = 1;
	require(write_seed(other, 0, 4096, 1) && start_writeback(other) &&
		eventually(server->held), "the server is busy");
}

/* As launch(), into its queue. */
static inline void launch_behind(void)
{
	int seen = server->writes;

	keep_server_busy();
	require(start_writeback(file), "writeback is started");
	require(all_in_flight(), "all pages are under writeback");
	expect(server->writes == seen + 1, "the server has not read it");
}

static inline bool is_cached(int page)
{
	unsigned char in_core = 0;

	return !mincore(memory + page * 4096, 4096, &in_core) && in_core & 1;
}

static inline int cached_pages(void)
{
	int count = 0;

	for (int i = 0; i < PAGES; i++)
		count += is_cached(i);
	return count;
}

/* The server asks for all of the file, which is clean then, and does not read the reply. */
static inline void retrieve_unread(void)
{
	require(!fsync(file), "fsync succeeds");
	keep_server_busy();
	tell(FUSE_RETRIEVE, 0, SIZE, 0);
	require(!server->retrievals, "the server has not read the reply");
}

/* It reads, and finds what is in the page cache then. */
static inline void expect_retrieved(size_t size, int seed)
{
	expect(server->answered == answered && !server->retrievals,
	       "the server has read nothing");
	land();
	expect(eventually(server->retrievals), "the server reads the reply");
	expect(server->retrieved_size == size, "it gets %zu bytes, not %zu", size,
	       (size_t)server->retrieved_size);
	expect(!size || is_painted((char *)server->retrieved, 0, 4096, seed),
	       "they are what is in the page cache");
}

/* What moves pages. */

#define CMA	"/sys/kernel/debug/cma/"
#define MEMORY	"/sys/devices/system/memory/"

/* The area for contiguous allocations, if there is one. */
static inline const char *cma_path(const char *name)
{
	static char area[64], path[128];
	struct dirent *entry;
	DIR *areas;

	if (!area[0]) {
		areas = opendir(CMA);
		while (areas && (entry = readdir(areas)))
			if (entry->d_name[0] != '.')
				snprintf(area, sizeof(area), "%.63s", entry->d_name);
		if (areas)
			closedir(areas);
	}
	snprintf(path, sizeof(path), CMA "%s/%s", area, name);
	return path;
}

static inline bool has_cma(void)
{
	return access(cma_path("alloc"), F_OK) == 0;
}

static inline bool in_cma(unsigned long pfn)
{
	unsigned long start = get(cma_path("base_pfn"));

	return has_cma() && pfn >= start && pfn < start + get(cma_path("count"));
}

/* The block of memory of a page frame, and a file of it. */
static inline const char *block_path(unsigned long pfn, const char *name)
{
	static char path[128];
	unsigned long size = 0;
	FILE *file = fopen(MEMORY "block_size_bytes", "r");

	if (file) {
		if (fscanf(file, "%lx", &size) != 1)
			size = 0;
		fclose(file);
	}
	snprintf(path, sizeof(path), MEMORY "memory%lu/%s", size ? pfn * 4096 / size : 0, name);
	return path;
}

static inline bool has_movable(void)
{
	return !system("grep -A 9 'zone  Movable' /proc/zoneinfo | grep -q 'managed  [1-9]'");
}

static inline bool in_movable(unsigned long pfn)
{
	char zones[64] = "";
	FILE *file = fopen(block_path(pfn, "valid_zones"), "r");

	if (file) {
		if (!fgets(zones, sizeof(zones), file))
			zones[0] = 0;
		fclose(file);
	}
	return !strncmp(zones, "Movable", 7);
}

static inline int node_of_page(void *address)
{
	int status = -1;

	syscall(SYS_move_pages, 0, 1, &address, NULL, &status, 0);
	return status;
}

static inline bool has_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

#define MOVE_ALL	4	/* MPOL_MF_MOVE_ALL */

static inline bool move_to_node(void *address, int node)
{
	int status = -1;

	return !syscall(SYS_move_pages, 0, 1, &address, &node, &status, MOVE_ALL) &&
	       status == node;
}

/* Before and after each claim. */
static inline void clean_up_fuse(void)
{
	umount2(TOP, MNT_DETACH);
	unmount_above(MNT_FORCE);
	while (!unmount_above(MNT_DETACH))
		continue;
	umount2(FUSE_TOP "/other", MNT_DETACH);
	system("rm -rf " BELOW "/*");
	if (has_cma())
		set(cma_path("free"), get(cma_path("count")));
}

static inline void need_fuse(void)
{
	if (access("/dev/fuse", R_OK | W_OK))
		ksft_exit_skip("no /dev/fuse\n");
	if (access("./fuse_server", X_OK))
		ksft_exit_skip("no fuse_server\n");
	is_base = getenv("FUSE_BASE");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	mkdir(FUSE_TOP, 0755);
	mkdir(BELOW, 0777);
	mkdir(ABOVE, 0755);
	mkdir(TOP, 0755);
	system("mount -t fusectl none " CONNECTIONS " 2>/dev/null");
}

/* Nothing is written back at a time of the kernel's choice, meanwhile. */
static inline void check_claims(void)
{
	long interval = get(FLUSH_INTERVAL);

	ksft_set_plan(nr_claims);
	set(FLUSH_INTERVAL, 360000);
	for (int i = 0; i < nr_claims; i++) {
		bool ok;

		clean_up_fuse();
		ok = holds(&claims[i]);
		clean_up_fuse();
		ksft_test_result(ok, "%s\n", claims[i].name);
	}
	set(FLUSH_INTERVAL, interval);
}

#endif /* FOLIO_OWNER_FUSE_H */
