/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of fsdax share: file systems on persistent memory, ways to
 * pin a page, and processes that wait.
 */
#ifndef FOLIO_OWNER_FSDAX_H
#define FOLIO_OWNER_FSDAX_H

#include "../kselftest.h"
#include "util.h"
#include <dirent.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define MOUNT		"/tmp/fsdax"
#define LIMIT_MS	20000	/* nothing takes so long, except what hangs */
#define CHUNK		HPAGE_SIZE
#define CHUNK_PAGES	(CHUNK / 4096)

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

/* File systems. */

struct file_system {
	const char *name;
	const char *type;
	const char *options;
	const char *mkfs;
	const char *fsck;
	bool fallocate;
	bool reflink;
	bool huge;
};

#define MKFS_XFS "mkfs.xfs -q -f --unsupported -d size=96m,agcount=1,su=2m,sw=1 "

static const struct file_system file_systems[] = {
	{
		.name = "ext4", .type = "ext4", .options = "dax=always",
		.mkfs = "mkfs.ext4 -q -F -m 0 -b 4096 -E stripe_width=512 $DEVICE 96M",
		.fsck = "e2fsck -fn $DEVICE",
		.fallocate = true, .huge = true,
	}, {
		.name = "xfs", .type = "xfs", .options = "dax=always",
		.mkfs = MKFS_XFS "-m reflink=0 $DEVICE",
		.fsck = "xfs_repair -n -o force_geometry $DEVICE",
		.fallocate = true, .huge = true,
	}, {
		.name = "xfs-reflink", .type = "xfs", .options = "dax=always",
		.mkfs = MKFS_XFS "-m reflink=1 $DEVICE",
		.fsck = "xfs_repair -n -o force_geometry $DEVICE",
		.fallocate = true, .huge = true, .reflink = true,
	}, {
		.name = "ext2", .type = "ext2", .options = "dax",
		.mkfs = "mkfs.ext2 -q -F -m 0 -b 4096 $DEVICE 96M",
		.fsck = "e2fsck -fn $DEVICE",
	},
};

static inline const struct file_system *find_file_system(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++)
		if (!strcmp(file_systems[i].name, name))
			return &file_systems[i];
	return NULL;
}

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

/* <sys/mount.h> does not go with <linux/fs.h>. */
#define MNT_DETACH	2

static inline int unmount(int flags)
{
	return syscall(SYS_umount2, MOUNT, flags);
}

/* Free space is all there is, without a reserve for bad times. */
static inline bool give_up_reserve(const struct file_system *fs,
				   const char *device)
{
	/* As in fs/xfs/libxfs/xfs_fs.h. */
	struct {
		__u64 resblks;
		__u64 resblks_avail;
	} reserve = { };
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "/sys/fs/ext4/%s/reserved_clusters",
		 strrchr(device, '/') + 1);
	if (!strcmp(fs->type, "ext4"))
		return set(path, 0);
	if (strcmp(fs->type, "xfs"))
		return true;
	fd = open(MOUNT, O_RDONLY);
	err = ioctl(fd, _IOWR('X', 114, reserve), &reserve);
	close(fd);
	return !err;
}

static inline bool mount_file_system(const struct file_system *fs,
				     const char *device)
{
	mkdir(MOUNT, 0755);
	if (!syscall(SYS_mount, device, MOUNT, fs->type, 0, fs->options) &&
	    give_up_reserve(fs, device))
		return true;
	ksft_print_msg("mount of %s: %s\n", device, strerror(errno));
	return false;
}

static inline bool device_is_free(const char *device)
{
	int fd = open(device, O_RDONLY | O_EXCL);

	close(fd);
	return fd >= 0;
}

/* Whoever was here before may have left something mounted. */
static inline bool make_file_system(const struct file_system *fs,
				    const char *device)
{
	unmount(MNT_DETACH);
	eventually(device_is_free(device));
	setenv("DEVICE", device, 1);
	return run(fs->mkfs) && mount_file_system(fs, device);
}

static inline bool check_file_system(const struct file_system *fs,
				     const char *device)
{
	setenv("DEVICE", device, 1);
	return run(fs->fsck);
}

static inline unsigned long free_bytes(void)
{
	struct statvfs stat = { };

	statvfs(MOUNT, &stat);
	return stat.f_bfree * stat.f_frsize;
}

/* Free space, after all that is under way has been written. */
static inline unsigned long free_bytes_now(void)
{
	int fd = open(MOUNT, O_RDONLY);

	syncfs(fd);
	close(fd);
	return free_bytes();
}

/* Files. */

/* The page of a chunk with this content has this byte in it; 'z' is a hole. */
static inline char byte_of(char content, size_t page)
{
	return content == 'z' ? 0 : content + page;
}

/* A chunk of a file; each page has content of its own. */
static inline bool write_chunk(int fd, off_t offset, char content)
{
	static char buffer[CHUNK];

	for (size_t i = 0; i < CHUNK_PAGES; i++)
		memset(buffer + i * 4096, byte_of(content, i), 64);
	return pwrite(fd, buffer, CHUNK, offset) == CHUNK;
}

static inline bool has_byte(const char *page, char byte)
{
	return page[0] == byte && page[63] == byte;
}

/* This is in the chunk, but for one page, which has another byte in it. */
static inline bool chunk_is_but(int fd, off_t offset, char content,
				size_t page, char byte)
{
	static char buffer[CHUNK];

	if (pread(fd, buffer, CHUNK, offset) != CHUNK)
		return false;
	for (size_t i = 0; i < CHUNK_PAGES; i++) {
		if (!has_byte(buffer + i * 4096,
			      i == page ? byte : byte_of(content, i)))
			return false;
	}
	return true;
}

static inline bool chunk_is(int fd, off_t offset, char content)
{
	return chunk_is_but(fd, offset, content, 0, byte_of(content, 0));
}

/*
 * A new file with a chunk for each letter.  The blocks of each are contiguous
 * and aligned where the file system can do that.
 */
static inline int make_file(const struct file_system *fs, const char *path,
			    const char *layout)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);

	for (int i = 0; fd >= 0 && layout[i]; i++) {
		if (fs->fallocate && fallocate(fd, 0, i * CHUNK, CHUNK))
			return -1;
		if (!write_chunk(fd, i * CHUNK, layout[i]))
			return -1;
	}
	return fd;
}

/* Where a file is mapped by pages of this size, if its blocks allow it. */
static inline char *map_chunks(int fd, off_t offset, size_t chunks, bool huge,
			       int flags)
{
	size_t size = chunks * CHUNK;
	char *area = mmap(NULL, size + 2 * CHUNK, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long start = ((unsigned long)area + CHUNK - 1) / CHUNK * CHUNK;

	if (area == MAP_FAILED)
		return NULL;
	area = mmap((void *)(huge ? start : start + 4096), size,
		    PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, offset);
	if (area == MAP_FAILED)
		return NULL;
	/* Who operates on the file has no part in its mapping. */
	madvise(area, size, MADV_DONTFORK);
	return area;
}

static inline bool is_huge(void *address)
{
	struct page_region region;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = (unsigned long)address,
		.end = (unsigned long)address + CHUNK,
		.vec = (unsigned long)&region,
		.vec_len = 1,
		.category_mask = PAGE_IS_PRESENT | PAGE_IS_HUGE,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_HUGE,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY);
	int regions = ioctl(fd, PAGEMAP_SCAN, &scan);

	close(fd);
	return regions == 1 && region.end == scan.end;
}

/* A file takes all but a few megabytes, so that a test soon has all of it. */
static inline bool fill_up(const char *path, int leave)
{
	static char buffer[1 << 20];
	long megabytes = (long)(free_bytes() >> 20) - leave;
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	bool ok = fd >= 0;

	while (ok && megabytes-- > 0)
		ok = write(fd, buffer, sizeof(buffer)) == sizeof(buffer);
	close(fd);
	return ok;
}

static inline void append(int fd, char content)
{
	static char buffer[1 << 20];
	size_t size = sizeof(buffer);

	memset(buffer, content, sizeof(buffer));
	while (size >= 4096) {
		if (write(fd, buffer, size) <= 0)
			size /= 2;
	}
}

/* Another file takes all the free space there is. */
static inline bool take_free_space(const char *path, char content)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0644);

	if (fd < 0)
		return false;
	append(fd, content);
	/* Some of it is not free before what freed it is in the journal. */
	syncfs(fd);
	append(fd, content);
	close(fd);
	return true;
}

/* Every page of the file has nothing but this in it. */
static inline bool has_only(const char *path, char content)
{
	static char buffer[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t size;

	while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < size; i += 1024) {
			if (buffer[i] != content)
				size = -1;
		}
		if (size < 0)
			break;
	}
	close(fd);
	return !size;
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
};

static struct claim claims[256];
static int nr_claims;
static const char *only;	/* claims with this text in their names */

static inline void claim(void (*check)(const void *), const void *scenario,
			 const char *format, ...)
{
	struct claim *claim = &claims[nr_claims];
	va_list arguments;

	claim->check = check;
	claim->scenario = scenario;
	va_start(arguments, format);
	vsnprintf(claim->name, sizeof(claim->name), format, arguments);
	va_end(arguments);
	nr_claims += !only || strstr(claim->name, only);
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
	status = ends(pid, 3 * LIMIT_MS);
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

#endif /* FOLIO_OWNER_FSDAX_H */
