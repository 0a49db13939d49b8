/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Claims that are checked in a process each, processes that wait, and ways to
 * pin the page that they wait for.
 */
#ifndef FOLIO_OWNER_CLAIMS_H
#define FOLIO_OWNER_CLAIMS_H

#include "../kselftest.h"
#include "util.h"
#include <dirent.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* Nothing takes so long, except what hangs. */
#define LIMIT_MS	(20000 * slowness())

/* What runs this on a kernel that is slow says by how much. */
static inline int slowness(void)
{
	const char *slow = getenv("SLOW");

	return slow && atoi(slow) > 0 ? atoi(slow) : 1;
}

/* Each claim is checked in a process of its own: this one. */
static bool failed;

/* Says what was expected, if it did not happen, and goes on. */
#define expect(condition, text...) ({					\
	bool as_expected = (condition);					\
									\
	if (!as_expected) {						\
		failed = true;						\
		ksft_print_msg("expected: " text);			\
		printf("\n");						\
	}								\
	as_expected;							\
})

/* As expect(), for what the rest of the claim cannot do without. */
#define require(condition, text...) ({					\
	if (!expect(condition, text))					\
		_exit(1);						\
})

static inline bool run(const char *command)
{
	char text[512];

	snprintf(text, sizeof(text), "%s >/tmp/fsdax.out 2>&1", command);
	if (!system(text))
		return true;
	ksft_print_msg("failed: %s\n", command);
	system("sed 's/^/# /' /tmp/fsdax.out");
	return false;
}

/* Processes. */

/* A child that goes with the process that started it. */
static inline pid_t start(int (*function)(void *), void *argument)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(function(argument));
	}
	return pid;
}

/* R, S, D or Z, as in proc(5); 0 if there is no such process. */
static inline char state_of(pid_t pid)
{
	char path[64], text[512];
	const char *end;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = 0;
	end = strrchr(text, ')');
	return end && strlen(end) > 2 ? end[2] : 0;
}

static inline bool sleeps(pid_t pid)
{
	char state = state_of(pid);

	return state == 'S' || state == 'D';
}

/* For as long as it takes to be sure. */
static inline bool stays_asleep(pid_t pid)
{
	for (int i = 0; i < 25; i++) {
		if (!sleeps(pid))
			return false;
		sleep_ms(2);
	}
	return true;
}

/* It waits, that is: neither ends nor runs. */
static inline bool falls_asleep(pid_t pid)
{
	for (int i = 0; i < LIMIT_MS / 50; i++) {
		char state;

		if (stays_asleep(pid))
			return true;
		state = state_of(pid);
		if (!state || state == 'Z')
			return false;
		sleep_ms(2);
	}
	return false;
}

/* Its status if it ends in time, or -1. */
static inline int ends(pid_t pid, int limit_ms)
{
	int status;

	for (int ms = 0; ms < limit_ms; ms += 2) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		sleep_ms(2);
	}
	return -1;
}

static inline bool killed(int status)
{
	return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* How often it has slept or been put to sleep: it costs nothing meanwhile. */
static inline long switches_of(pid_t pid)
{
	char path[64], line[256];
	long sum = 0, number;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &number) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %ld", &number) == 1)
			sum += number;
	}
	if (file)
		fclose(file);
	return sum;
}

/* What each process of a group is doing. */
static inline void print_stacks(pid_t group)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char command[256];

	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 0 || getpgid(pid) != group)
			continue;
		ksft_print_msg("process %d, state %c\n", pid, state_of(pid));
		snprintf(command, sizeof(command),
			 "sed 's/^/#   /' /proc/%d/stack", pid);
		system(command);
	}
	if (proc)
		closedir(proc);
}

static inline bool has_byte(const char *page, char byte)
{
	return page[0] == byte && page[63] == byte;
}

/* Ways to pin the page at an address. */

struct pin {
	const char *name;
	const char *lacks;	/* what the machine must have for it */
	bool (*take)(void *page);
	bool (*write)(char byte);
	bool (*is_held)(void);
	bool (*put)(char byte);
};

static int test_device = -1;

static bool grab_take(void *page)
{
	struct test_folio_owner_grab grab = {
		.addr = (unsigned long)page,
		.nr = 1,
	};

	test_device = open_test_device();
	return !ioctl(test_device, TEST_FOLIO_OWNER_GRAB, &grab);
}

static bool grab_write(char byte)
{
	return !ioctl(test_device, TEST_FOLIO_OWNER_FILL, byte);
}

static bool always_held(void)
{
	return true;
}

static bool grab_put(char byte)
{
	struct test_folio_owner_put put = {
		.how = TEST_FOLIO_OWNER_FOLIOS_PUT,
		.refs = 1,
	};
	bool ok = !ioctl(test_device, TEST_FOLIO_OWNER_PUT, &put);

	close(test_device);
	return ok;
}

static int pipe_fds[2];

static bool pipe_take(void *page)
{
	struct iovec vec = { page, 4096 };

	return !pipe(pipe_fds) && vmsplice(pipe_fds[1], &vec, 1, 0) == 4096;
}

/* What comes out of the pipe is what the page was filled with. */
static bool pipe_put(char byte)
{
	char copy[4096];
	bool ok = read(pipe_fds[0], copy, 4096) == 4096 && has_byte(copy, byte);

	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return ok;
}

static const struct pin pin_by_grab = {
	.name = "get_user_pages_fast",
	.take = grab_take,
	.write = grab_write,
	.is_held = always_held,
	.put = grab_put,
};

static const struct pin pin_by_pipe = {
	.name = "vmsplice",
	.take = pipe_take,
	.is_held = always_held,
	.put = pipe_put,
};

/* An O_DIRECT read in flight. */

/* The one that reads slowly. */
static const char *disk;
static aio_context_t aio;
static bool aio_done;

static inline bool aio_read(int fd, void *buffer)
{
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = fd,
		.aio_buf = (unsigned long)buffer,
		.aio_nbytes = 4096,
	};
	struct iocb *iocbs[] = { &iocb };

	return syscall(SYS_io_submit, aio, 1, iocbs) == 1;
}

static inline bool aio_wait(long minimum)
{
	struct timespec time = { minimum ? LIMIT_MS / 1000 : 0 };
	struct io_event event;

	if (!aio_done && syscall(SYS_io_getevents, aio, minimum, 1, &event, &time) == 1)
		aio_done = event.res == 4096;
	return aio_done;
}

/* The disk is slow with what comes right after another read. */
static bool direct_take(void *page)
{
	char *buffer = aligned_alloc(4096, 4096);
	int fd = open(disk, O_RDONLY | O_DIRECT);
	bool ok = !syscall(SYS_io_setup, 1, &aio) &&
		  read(fd, buffer, 4096) == 4096 && aio_read(fd, page);

	close(fd);
	return ok;
}

static bool direct_is_held(void)
{
	return !aio_wait(0);
}

static bool direct_put(char byte)
{
	return aio_wait(1);
}

static const struct pin pin_by_direct_read = {
	.name = "O_DIRECT read",
	.take = direct_take,
	.is_held = direct_is_held,
	.put = direct_put,
};

/* Claims: names, and what checks them. */

struct claim {
	char name[128];
	void (*check)(const void *scenario);
	const void *scenario;
	int limit_ms;
};

static struct claim claims[256];
static int nr_claims;
static const char *only;	/* claims with this text in their names */

static inline struct claim *claim(void (*check)(const void *), const void *scenario,
				  const char *format, ...)
{
	struct claim *claim = &claims[nr_claims];
	va_list arguments;

	claim->check = check;
	claim->scenario = scenario;
	claim->limit_ms = 3 * LIMIT_MS;
	va_start(arguments, format);
	vsnprintf(claim->name, sizeof(claim->name), format, arguments);
	va_end(arguments);
	nr_claims += !only || strstr(claim->name, only);
	return claim;
}

/* Children of children that are gone come here. */
static inline void reap_all(void)
{
	int tries = LIMIT_MS / 10;

	while (waitpid(-1, NULL, WNOHANG) >= 0) {
		if (!--tries)
			ksft_exit_fail_msg("a process cannot be killed\n");
		sleep_ms(10);
	}
}

static inline bool holds(const struct claim *claim)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		setpgid(0, 0);
		claim->check(claim->scenario);
		_exit(failed);
	}
	setpgid(pid, pid);
	status = ends(pid, claim->limit_ms);
	if (status) {
		if (status == -1)
			ksft_print_msg("it hangs\n");
		else if (WIFSIGNALED(status))
			ksft_print_msg("killed by signal %d\n", WTERMSIG(status));
		print_stacks(pid);
	}
	kill(-pid, SIGKILL);
	reap_all();
	return !status;
}

/* What all of this does not work without. */
static inline void need(const char *device)
{
	if (access(device, R_OK | W_OK))
		ksft_exit_skip("no %s\n", device);
	if (open_test_device() < 0)
		ksft_exit_skip(NO_TEST_DEVICE "\n");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

#endif /* FOLIO_OWNER_CLAIMS_H */
