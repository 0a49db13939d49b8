// SPDX-License-Identifier: GPL-2.0
/*
 * fuse_memcg [1]
 *
 * Pages that a FUSE server is to write are charged until its reply.  It takes its
 * time, but it replies: who writes more than his cgroup may have is slowed down,
 * and not killed.  With 1, cgroups are of version 1.
 */
#include "fuse.h"

#define LRU_GEN		"/sys/kernel/mm/lru_gen/enabled"
#define UNIFIED		"/sys/fs/cgroup"
#define LEGACY		FUSE_TOP "/memory"
#define CONTROL		UNIFIED "/cgroup.subtree_control"
#define NAME		"/fuse_memcg"
#define MIB		1048576
#define LIMIT_MIB	64
#define FLIGHT_MIB	58	/* in flight before more is written */
#define MORE_MIB	38
#define DELAY_MS	200	/* for each MiB: all of it takes 20 seconds */

static const char *text_of(const char *path)
{
	static char text[64];
	FILE *file = fopen(path, "r");

	text[0] = 0;
	if (file) {
		if (!fgets(text, sizeof(text), file))
			text[0] = 0;
		fclose(file);
	}
	return text;
}

/* The two kinds of cgroups. */

struct kind {
	const char *name;
	const char *top;
	const char *limit;
	const char *peak;
	const char *events;
	bool (*set_up)(void);
	bool (*undo)(void);
};

static bool set_up_unified(void)
{
	return put_string(CONTROL, "+memory");
}

static bool undo_unified(void)
{
	return true;
}

/* With those that are gone, but still charged. */
static int number_of_groups(void)
{
	char line[128];
	int number = 0;
	FILE *file = fopen("/proc/cgroups", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "memory %*d %d", &number) == 1)
			break;
	if (file)
		fclose(file);
	return number;
}

/* Only one of the two has the controller; what is charged to the other has to go first. */
static bool set_up_legacy(void)
{
	mkdir(LEGACY, 0755);
	set("/proc/sys/vm/drop_caches", 3);
	return eventually(put_string(CONTROL, "-memory") &&
			  !mount("cgroup", LEGACY, "cgroup", 0, "memory"));
}

static bool undo_legacy(void)
{
	bool ok = eventually(number_of_groups() <= 1);

	umount2(LEGACY, 0);
	rmdir(LEGACY);
	return eventually(put_string(CONTROL, "+memory")) && ok;
}

static const struct kind unified = {
	.name = "cgroup v2",
	.top = UNIFIED,
	.limit = "memory.max",
	.peak = "memory.peak",
	.events = "memory.events",
	.set_up = set_up_unified,
	.undo = undo_unified,
};

static const struct kind legacy = {
	.name = "cgroup v1",
	.top = LEGACY,
	.limit = "memory.limit_in_bytes",
	.peak = "memory.max_usage_in_bytes",
	.events = "memory.oom_control",
	.set_up = set_up_legacy,
	.undo = undo_legacy,
};

static const char *group_path(const struct kind *kind, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s" NAME "%s%s", kind->top, *name ? "/" : "", name);
	return path;
}

static bool make_group(const struct kind *kind)
{
	rmdir(group_path(kind, ""));
	return !mkdir(group_path(kind, ""), 0755) &&
	       set(group_path(kind, kind->limit), (long)LIMIT_MIB * MIB);
}

/* What is left in the page cache of it is charged on. */
static void remove_group(const struct kind *kind)
{
	clean_up_fuse();
	set("/proc/sys/vm/drop_caches", 3);
	eventually(!rmdir(group_path(kind, "")));
}

static long kills_in(const struct kind *kind)
{
	char line[128];
	long kills = -1;
	FILE *file = fopen(group_path(kind, kind->events), "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "oom_kill %ld", &kills) == 1)
			break;
	if (file)
		fclose(file);
	return kills;
}

struct variant {
	const struct kind *kind;
	bool lru_gen;
};

static const struct kind *kind;

/* What the writer, and who waits for it, say to each other. */
static struct {
	atomic_bool is_dirty;
	atomic_bool is_in_flight;
} *state;

/* The server is not in this group, nor is the file below. */
static int do_write_more(void *argument)
{
	int more = open(OTHER_PATH, O_RDWR | O_CREAT, 0644);

	if (more < 0 || !put_string(group_path(kind, "cgroup.procs"), "0"))
		return 1;
	for (int i = 0; i < FLIGHT_MIB; i++)
		if (!write_seed(file, (off_t)i * MIB, MIB, 1))
			return 2;
	state->is_dirty = true;
	while (!state->is_in_flight)
		sleep_ms(1);
	for (int i = 0; i < MORE_MIB; i++)
		if (!write_seed(more, (off_t)i * MIB, MIB, 2))
			return 3;
	return fsync(file) || fsync(more) ? 4 : 0;
}

static int do_fsync(void *argument)
{
	return fsync(file);
}

static void check_writer(void)
{
	pid_t writer, flusher;
	int status;

	serve(WRITEBACK | BLOCKING);
	make_file_above(0, 0);
	server->delay_ms = DELAY_MS;
	server->hold = 1;
	/* A process of its own: it may be killed. */
	writer = start(do_write_more, NULL);
	require(eventually(state->is_dirty), "pages are dirty");
	/* Of what nobody waits for, not as much is sent. */
	flusher = start_other(do_fsync, NULL);
	require(eventually(is_base || counter("nr_writeback") >= FLIGHT_MIB * (MIB / 4096)),
		"all of them are in flight");
	state->is_in_flight = true;
	server->hold = 0;

	status = ends(writer, 5 * LIMIT_MS);
	expect(!killed(status), "it is not killed");
	expect(!status, "it ends, and succeeds, not %x", status);
	expect(get(group_path(kind, kind->peak)) > (LIMIT_MIB - 1) * MIB,
	       "it needs all it may have, not %ld", get(group_path(kind, kind->peak)));
	expect(!kills_in(kind), "nobody was killed, but %ld", kills_in(kind));
	expect(!ends(flusher, LIMIT_MS), "fsync has succeeded");
	expect(below_has(FILE_BELOW, 0, FLIGHT_MIB * MIB, 1) &&
	       below_has(OTHER_BELOW, 0, MORE_MIB * MIB, 2), "all is in the files below");
	expect_settled();
}

static void writer_is_not_killed(const void *argument)
{
	const struct variant *variant = argument;
	long before = strtol(text_of(LRU_GEN), NULL, 16);

	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(state != MAP_FAILED, "memory can be shared");
	kind = variant->kind;
	set(LRU_GEN, variant->lru_gen ? 7 : 0);
	require(eventually(kind->set_up()), "there is %s", kind->name);
	require(make_group(kind), "memory is limited");
	check_writer();
	close(file);
	kill(server_pid, SIGKILL);
	ends(server_pid, LIMIT_MS);
	remove_group(kind);
	kind->undo();
	set(LRU_GEN, before);
}

static bool has_legacy(void)
{
	bool is_there = set_up_legacy() && !mkdir(LEGACY NAME, 0755) &&
			!access(LEGACY NAME "/memory.limit_in_bytes", W_OK);

	rmdir(LEGACY NAME);
	return undo_legacy() && is_there;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ &unified, true }, { &unified, false }, { &legacy, true }, { &legacy, false },
	};
	int version = argc > 1 ? atoi(argv[1]) : 2;

	ksft_print_header();
	need_fuse();
	if (access(UNIFIED "/cgroup.controllers", R_OK))
		ksft_exit_skip("no cgroup2 on " UNIFIED "\n");
	/* The controller does not change sides while a group of the other is charged. */
	if (version == 1 && !has_legacy())
		ksft_exit_skip("no CONFIG_MEMCG_V1\n");
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		if (variants[i].kind != (version == 1 ? &legacy : &unified))
			continue;
		if (variants[i].lru_gen && access(LRU_GEN, W_OK))
			continue;
		claim(writer_is_not_killed, &variants[i],
		      "who writes more than his group may have is not killed, %s, %s",
		      variants[i].kind->name, variants[i].lru_gen ? "lru_gen" : "lists of old")
			->limit_ms = 8 * LIMIT_MS;
	}
	check_claims();
	ksft_finished();
}
