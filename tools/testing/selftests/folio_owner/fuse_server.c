// SPDX-License-Identifier: GPL-2.0
/*
 * fuse_server [OPTION...] DIRECTORY MOUNTPOINT
 *
 * Mounts what is in DIRECTORY, without its subdirectories, and serves it until
 * it is unmounted.  With --control, it does what a test wants: see
 * fuse_server.h.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "fuse_server.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define TIMEOUT			3600.0
#define PIPE_SIZE		(2 << 20)

static struct {
	bool writeback;		/* the kernel's cache is written back */
	bool splice;
	bool unprivileged;	/* no CAP_SYS_ADMIN, since before /dev/fuse */
	bool threads;		/* many; otherwise there is one */
	bool blocking;		/* it waits where it is */
	bool drop_cache;	/* at open */
	bool passthrough;	/* files are opened for that */
	const char *device;	/* fuseblk */
} options;

static struct fuse_control nobody, *control = &nobody;
static struct fuse_session *session;

/* Files. */

struct node {
	struct node *next;
	int fd;			/* O_PATH */
	struct stat stat;
	uint64_t lookups;
	int backing;		/* for passthrough */
};

static struct node root;
static pthread_mutex_t nodes_lock = PTHREAD_MUTEX_INITIALIZER;

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct node *)(uintptr_t)ino;
}

static fuse_ino_t ino_of(const struct node *node)
{
	return node == &root ? FUSE_ROOT_ID : (uintptr_t)node;
}

static const char *path_of(const struct node *node)
{
	static __thread char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", node->fd);
	return path;
}

/* The node of an open file, which this takes. */
static struct node *find_node(int fd)
{
	struct stat stat;
	struct node *node;

	if (fstatat(fd, "", &stat, AT_EMPTY_PATH))
		return NULL;
	pthread_mutex_lock(&nodes_lock);
	for (node = root.next; node; node = node->next) {
		if (node->stat.st_ino == stat.st_ino &&
		    node->stat.st_dev == stat.st_dev)
			break;
	}
	if (node) {
		close(fd);
	} else {
		node = calloc(1, sizeof(*node));
		if (node) {
			node->fd = fd;
			node->stat = stat;
			node->next = root.next;
			root.next = node;
		}
	}
	if (node)
		node->lookups++;
	pthread_mutex_unlock(&nodes_lock);
	return node;
}

static void forget_node(struct node *node, uint64_t lookups)
{
	struct node **link = &root.next;

	if (node == &root)
		return;
	pthread_mutex_lock(&nodes_lock);
	node->lookups -= lookups;
	if (!node->lookups) {
		while (*link != node)
			link = &(*link)->next;
		*link = node->next;
		close(node->fd);
		free(node);
	}
	pthread_mutex_unlock(&nodes_lock);
}

static int look_up(const char *name, struct fuse_entry_param *entry)
{
	int fd = openat(root.fd, name, O_PATH | O_NOFOLLOW);
	struct node *node;

	if (fd < 0)
		return errno;
	node = find_node(fd);
	if (!node)
		return errno;
	memset(entry, 0, sizeof(*entry));
	entry->ino = ino_of(node);
	entry->attr_timeout = TIMEOUT;
	entry->entry_timeout = TIMEOUT;
	return fstatat(node->fd, "", &entry->attr, AT_EMPTY_PATH) ? errno : 0;
}

/* WRITEs of cached pages. */

struct request {
	struct request *next;
	fuse_req_t request;
	struct node *node;
	int fd;
	off_t offset;
	size_t size;
	char *data;
	int pipe[2];		/* instead of data */
	long long due;
};

static struct request *requests;	/* in the order of arrival */
static pthread_mutex_t requests_lock = PTHREAD_MUTEX_INITIALIZER;

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void wait_ms(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

static bool overlap(const struct request *one, const struct request *two)
{
	return one->node == two->node &&
	       one->offset < two->offset + (off_t)two->size &&
	       two->offset < one->offset + (off_t)one->size;
}

/* Puts it in the list; another one there may be for the same bytes. */
static void note_request(struct request *request, bool cached)
{
	int number = atomic_fetch_add(&control->writes, 1);
	struct request **link = &requests;

	if (number < FUSE_LOG_SIZE) {
		struct fuse_log *log = &control->log[number];

		log->offset = request->offset;
		log->length = request->size;
		log->first = request->data ? request->data[0] : 0;
		log->spliced = !request->data;
		log->cached = cached;
	}
	pthread_mutex_lock(&requests_lock);
	for (; *link; link = &(*link)->next)
		control->overlaps += overlap(*link, request);
	*link = request;
	if (cached)
		control->held++;
	pthread_mutex_unlock(&requests_lock);
}

static void forget_request(struct request *request, bool cached)
{
	struct request **link = &requests;

	pthread_mutex_lock(&requests_lock);
	while (*link != request)
		link = &(*link)->next;
	*link = request->next;
	if (cached)
		control->held--;
	pthread_mutex_unlock(&requests_lock);
}

/* Data of this range goes away: no WRITE may come later. */
static void note_cut(struct node *node, off_t offset, off_t length)
{
	const struct request cut = {
		.node = node,
		.offset = offset,
		.size = length,
	};
	struct request *request;

	pthread_mutex_lock(&requests_lock);
	for (request = requests; request; request = request->next)
		control->cuts += overlap(&cut, request);
	pthread_mutex_unlock(&requests_lock);
}

static bool make_pipe_of(int *fds, size_t size)
{
	return !pipe2(fds, O_CLOEXEC) && fcntl(fds[1], F_SETPIPE_SZ, size) >= 0;
}

static bool make_pipe(int *fds)
{
	return make_pipe_of(fds, PIPE_SIZE);
}

/* Another pipe has the same pages, from now on. */
static int kept[64][2];

static void keep_pipe(struct request *request)
{
	int *fds = kept[control->pipes];

	if (control->pipes >= (int)ARRAY_SIZE(kept) || !make_pipe(fds))
		return;
	tee(request->pipe[0], fds[1], request->size, 0);
	control->pipes++;
}

static void drop_pipes(void)
{
	while (control->pipes) {
		int *fds = kept[control->pipes - 1];

		close(fds[0]);
		close(fds[1]);
		control->pipes--;
	}
}

static bool read_all(int fd, char *data, size_t size)
{
	while (size) {
		ssize_t length = read(fd, data, size);

		if (length <= 0)
			return false;
		data += length;
		size -= length;
	}
	return true;
}

static bool take_data(struct request *request)
{
	bool ok;

	if (request->data)
		return true;
	request->data = malloc(request->size);
	if (control->keep_pipe)
		keep_pipe(request);
	ok = request->data && read_all(request->pipe[0], request->data, request->size);
	close(request->pipe[0]);
	close(request->pipe[1]);
	return ok;
}

/*
 * On into direct I/O, which takes whole blocks where they are, by way of a pipe
 * for as many buffers as there are pages.
 */
static bool splice_on(struct request *request)
{
	int fd = open(control->direct, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
	loff_t offset = request->offset;
	ssize_t left = request->size, size = 1;
	int fds[2];

	if (fd < 0 || !make_pipe_of(fds, request->size))
		return false;
	if (tee(request->pipe[0], fds[1], left, SPLICE_F_NONBLOCK) != left)
		size = 0;
	while (left && size > 0) {
		size = splice(fds[0], NULL, fd, &offset, left, 0);
		left -= size > 0 ? size : 0;
	}
	close(fds[0]);
	close(fds[1]);
	close(fd);
	return !left;
}

static void answer(struct request *request, bool cached)
{
	ssize_t size = -1;
	int fail = cached ? control->fail : 0;
	size_t shorten = cached ? control->shorten : 0;

	if (control->direct[0] && !request->data && !splice_on(request))
		fail = EIO;
	errno = EIO;
	if (take_data(request) && !fail)
		size = pwrite(request->fd, request->data, request->size - shorten,
			      request->offset);
	fail = fail ?: errno;
	/* After the answer, the kernel may send another one for these bytes. */
	forget_request(request, cached);
	if (size < 0)
		fuse_reply_err(request->request, fail);
	else
		fuse_reply_write(request->request, size);
	if (cached)
		control->answered++;
	free(request->data);
	free(request);
}

static bool may_go(void)
{
	int let_go = control->let_go;

	if (!control->hold)
		return true;
	while (let_go > 0)
		if (atomic_compare_exchange_weak(&control->let_go, &let_go, let_go - 1))
			return true;
	return false;
}

static struct request *next_to_answer(void)
{
	struct request *request, *found = NULL;
	long long now = now_ms();

	pthread_mutex_lock(&requests_lock);
	for (request = requests; request; request = request->next) {
		/* Whoever has no due time answers it himself. */
		if (!request->due || request->due > now)
			continue;
		found = request;
		if (!control->newest_first)
			break;
	}
	if (found && may_go())
		found->due = 0;
	else
		found = NULL;
	pthread_mutex_unlock(&requests_lock);
	return found;
}

static void *answer_all(void *unused)
{
	while (true) {
		struct request *request = next_to_answer();

		if (request)
			answer(request, true);
		else
			wait_ms(1);
	}
	return NULL;
}

static void allocate(size_t size)
{
	char *memory;

	if (!size)
		return;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	munmap(memory, size);
}

static bool is_pipe(const struct fuse_bufvec *buffers)
{
	return buffers->count == 1 && buffers->buf[0].flags & FUSE_BUF_IS_FD;
}

static bool get_data(struct request *request, struct fuse_bufvec *from)
{
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(request->size);

	if (is_pipe(from)) {
		control->spliced++;
		return make_pipe(request->pipe) &&
		       splice(from->buf[0].fd, NULL, request->pipe[1], NULL,
			      request->size, SPLICE_F_MOVE) == (ssize_t)request->size;
	}
	request->data = malloc(request->size);
	to.buf[0].mem = request->data;
	return request->data &&
	       fuse_buf_copy(&to, from, 0) == (ssize_t)request->size;
}

/* Nobody is curious: straight into the file below. */
static void pass_on(fuse_req_t req, struct fuse_bufvec *from, off_t offset,
		    struct fuse_file_info *fi)
{
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(fuse_buf_size(from));
	ssize_t size;

	to.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	to.buf[0].fd = fi->fh;
	to.buf[0].pos = offset;
	size = fuse_buf_copy(&to, from, 0);
	if (size < 0)
		fuse_reply_err(req, -size);
	else
		fuse_reply_write(req, size);
}

static void handle_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *from,
			     off_t offset, struct fuse_file_info *fi)
{
	bool cached = fi->writepage;
	struct request *request;
	long long due = 0;

	if (control == &nobody) {
		pass_on(req, from, offset, fi);
		return;
	}
	request = calloc(1, sizeof(*request));
	request->request = req;
	request->node = node_of(ino);
	request->fd = fi->fh;
	request->offset = offset;
	request->size = fuse_buf_size(from);
	if (!get_data(request, from)) {
		fuse_reply_err(req, EIO);
		free(request->data);
		free(request);
		return;
	}
	if (cached) {
		allocate(control->allocate);
		if (control->hold || control->delay_ms)
			due = now_ms() + control->delay_ms;
	}
	if (!options.blocking)
		request->due = due;
	note_request(request, cached);
	if (due && !options.blocking)
		return;
	while (due && (now_ms() < due || !may_go()))
		wait_ms(1);
	answer(request, cached);
}

/* Everything else. */

static void handle_init(void *data, struct fuse_conn_info *info)
{
	unsigned int splice = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
			      FUSE_CAP_SPLICE_MOVE;

	info->want &= ~(splice | FUSE_CAP_READDIRPLUS | FUSE_CAP_WRITEBACK_CACHE);
	if (options.splice)
		info->want |= splice & info->capable;
	if (options.writeback)
		info->want |= FUSE_CAP_WRITEBACK_CACHE & info->capable;
	control->ready = 1;
}

static void handle_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry;
	int error = look_up(name, &entry);

	if (error)
		fuse_reply_err(req, error);
	else
		fuse_reply_entry(req, &entry);
}

static void handle_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	forget_node(node_of(ino), lookups);
	fuse_reply_none(req);
}

static void handle_forget_multi(fuse_req_t req, size_t count,
				struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget_node(node_of(forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

static void handle_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat stat;

	if (fstatat(node_of(ino)->fd, "", &stat, AT_EMPTY_PATH))
		fuse_reply_err(req, errno);
	else
		fuse_reply_attr(req, &stat, TIMEOUT);
}

static void handle_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *stat, int which,
			   struct fuse_file_info *fi)
{
	struct node *node = node_of(ino);
	int error = 0;

	if (which & FUSE_SET_ATTR_SIZE) {
		note_cut(node, stat->st_size, INT64_MAX - stat->st_size);
		error = truncate(path_of(node), stat->st_size);
	}
	if (!error && which & FUSE_SET_ATTR_MODE)
		error = chmod(path_of(node), stat->st_mode);
	if (!error && which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		error = chown(path_of(node),
			      which & FUSE_SET_ATTR_UID ? stat->st_uid : (uid_t)-1,
			      which & FUSE_SET_ATTR_GID ? stat->st_gid : (gid_t)-1);
	if (!error && which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) {
		struct timespec times[2] = { stat->st_atim, stat->st_mtim };

		if (!(which & FUSE_SET_ATTR_ATIME))
			times[0].tv_nsec = UTIME_OMIT;
		if (!(which & FUSE_SET_ATTR_MTIME))
			times[1].tv_nsec = UTIME_OMIT;
		if (which & FUSE_SET_ATTR_ATIME_NOW)
			times[0].tv_nsec = UTIME_NOW;
		if (which & FUSE_SET_ATTR_MTIME_NOW)
			times[1].tv_nsec = UTIME_NOW;
		error = utimensat(AT_FDCWD, path_of(node), times, 0);
	}
	if (error)
		fuse_reply_err(req, errno);
	else
		handle_getattr(req, ino, fi);
}

/* The cache reads where only writing was asked for, and appends by itself. */
static int flags_for(int flags)
{
	if (options.writeback && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags & ~(O_APPEND | O_NOFOLLOW | O_DIRECT);
}

/*
 * Passthrough, of which this libfuse does not know: the first message of all is
 * the reply to INIT, which gets the flag; the reply to OPEN is made by hand.
 */
static int device;

static ssize_t write_message(int fd, struct iovec *iov, int count, void *data)
{
	static bool is_later;

	if (!is_later && count == 2) {
		struct fuse_init_out *init = iov[1].iov_base;

		init->flags |= FUSE_INIT_EXT;
		init->flags2 |= FUSE_PASSTHROUGH >> 32;
		init->max_stack_depth = 1;
	}
	is_later = true;
	return writev(fd, iov, count);
}

static ssize_t read_message(int fd, void *buffer, size_t size, void *data)
{
	return read(fd, buffer, size);
}

static bool pass_through(fuse_req_t req, struct node *node, int fd)
{
	struct fuse_backing_map map = { .fd = fd };
	struct fuse_open_out out = {
		.fh = fd,
		.open_flags = FOPEN_PASSTHROUGH,
	};

	if (!node->backing)
		node->backing = ioctl(device, FUSE_DEV_IOC_BACKING_OPEN, &map);
	out.backing_id = node->backing;
	return node->backing > 0 && !fuse_reply_buf(req, (char *)&out, sizeof(out));
}

static void handle_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node *node = node_of(ino);
	int fd;

	if (fi->flags & O_TRUNC)
		note_cut(node, 0, INT64_MAX);
	fd = open(path_of(node), flags_for(fi->flags) | O_CLOEXEC);
	if (fd < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	if (options.passthrough) {
		if (!pass_through(req, node, fd))
			fuse_reply_err(req, EIO);
		return;
	}
	fi->fh = fd;
	fi->keep_cache = !options.drop_cache;
	if (fuse_reply_open(req, fi))
		close(fd);
}

static void handle_create(fuse_req_t req, fuse_ino_t parent, const char *name,
			  mode_t mode, struct fuse_file_info *fi)
{
	int fd = openat(root.fd, name, flags_for(fi->flags) | O_CREAT | O_CLOEXEC, mode);
	struct fuse_entry_param entry;
	int error = fd < 0 ? errno : look_up(name, &entry);

	if (error) {
		fuse_reply_err(req, error);
		return;
	}
	fi->fh = fd;
	fi->keep_cache = !options.drop_cache;
	if (fuse_reply_create(req, &entry, fi))
		close(fd);
}

static void handle_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			struct fuse_file_info *fi)
{
	struct fuse_bufvec buffers = FUSE_BUFVEC_INIT(size);

	control->reads++;
	control->bytes_read += size;
	while (control->hold_reads)
		wait_ms(1);
	buffers.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	buffers.buf[0].fd = fi->fh;
	buffers.buf[0].pos = offset;
	fuse_reply_data(req, &buffers, options.splice ? FUSE_BUF_SPLICE_MOVE : 0);
}

static void handle_retrieve_reply(fuse_req_t req, void *cookie, fuse_ino_t ino,
				  off_t offset, struct fuse_bufvec *from)
{
	size_t size = fuse_buf_size(from);
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(size);

	if (to.buf[0].size > sizeof(control->retrieved))
		to.buf[0].size = sizeof(control->retrieved);
	to.buf[0].mem = control->retrieved;
	fuse_buf_copy(&to, from, 0);
	control->retrieved_size = size;
	control->retrievals++;
	fuse_reply_none(req);
}

static void handle_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	close(fi->fh);
	fuse_reply_err(req, 0);
}

static void handle_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
			 struct fuse_file_info *fi)
{
	control->fsyncs++;
	fuse_reply_err(req, 0);
}

static void handle_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, unlinkat(root.fd, name, 0) ? errno : 0);
}

static void handle_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
			  fuse_ino_t new_parent, const char *new_name,
			  unsigned int flags)
{
	fuse_reply_err(req, syscall(SYS_renameat2, root.fd, name, root.fd, new_name,
				    flags) ? errno : 0);
}

static void handle_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int fd = openat(root.fd, ".", O_RDONLY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	fi->fh = (uintptr_t)directory;
	if (directory)
		fuse_reply_open(req, fi);
	else
		fuse_reply_err(req, errno);
}

static void handle_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *fi)
{
	DIR *directory = (DIR *)(uintptr_t)fi->fh;
	char *buffer = malloc(size);
	struct dirent *entry;
	size_t used = 0;

	seekdir(directory, offset);
	while ((entry = readdir(directory))) {
		struct stat stat = {
			.st_ino = entry->d_ino,
			.st_mode = DTTOIF(entry->d_type),
		};
		size_t length = fuse_add_direntry(req, buffer + used, size - used,
						  entry->d_name, &stat, entry->d_off);

		if (length > size - used)
			break;
		used += length;
	}
	fuse_reply_buf(req, buffer, used);
	free(buffer);
}

static void handle_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	closedir((DIR *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

static void handle_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs stat;

	if (fstatvfs(root.fd, &stat))
		fuse_reply_err(req, errno);
	else
		fuse_reply_statfs(req, &stat);
}

static void handle_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
			     off_t length, struct fuse_file_info *fi)
{
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		note_cut(node_of(ino), offset, length);
	fuse_reply_err(req, fallocate(fi->fh, mode, offset, length) ? errno : 0);
}

static void handle_copy(fuse_req_t req, fuse_ino_t from, off_t from_offset,
			struct fuse_file_info *from_info, fuse_ino_t to,
			off_t to_offset, struct fuse_file_info *to_info, size_t length,
			int flags)
{
	ssize_t size = copy_file_range(from_info->fh, &from_offset, to_info->fh,
				       &to_offset, length, flags);

	if (size < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, size);
}

static const struct fuse_lowlevel_ops operations = {
	.init = handle_init,
	.lookup = handle_lookup,
	.forget = handle_forget,
	.forget_multi = handle_forget_multi,
	.getattr = handle_getattr,
	.setattr = handle_setattr,
	.open = handle_open,
	.create = handle_create,
	.read = handle_read,
	.write_buf = handle_write_buf,
	.release = handle_release,
	.fsync = handle_fsync,
	.unlink = handle_unlink,
	.rename = handle_rename,
	.opendir = handle_opendir,
	.readdir = handle_readdir,
	.releasedir = handle_releasedir,
	.statfs = handle_statfs,
	.fallocate = handle_fallocate,
	.copy_file_range = handle_copy,
	.retrieve_reply = handle_retrieve_reply,
};

/* Orders. */

static void *map_store(void)
{
	bool is_file = control->from[0];
	int fd = is_file ? open(control->from, O_RDONLY | O_CLOEXEC) : -1;
	char *memory = mmap(NULL, control->length, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | (is_file ? 0 : MAP_ANONYMOUS), fd, 0);

	close(fd);
	if (!is_file && memory != MAP_FAILED)
		memset(memory, control->byte, control->length);
	return memory;
}

static int store(fuse_ino_t ino)
{
	struct fuse_bufvec buffers = FUSE_BUFVEC_INIT(control->length);
	void *memory = map_store();
	int error;

	if (memory == MAP_FAILED)
		return -errno;
	buffers.buf[0].mem = memory;
	error = fuse_lowlevel_notify_store(session, ino, control->offset, &buffers, 0);
	munmap(memory, control->length);
	return error;
}

static int carry_out(int order)
{
	int fd = openat(root.fd, control->name, O_PATH);
	struct node *node = fd < 0 ? NULL : find_node(fd);
	int error = -ENOENT;

	if (!node)
		return error;
	if (order == FUSE_INVALIDATE)
		error = fuse_lowlevel_notify_inval_inode(session, ino_of(node),
							 control->offset, control->length);
	if (order == FUSE_STORE)
		error = store(ino_of(node));
	if (order == FUSE_RETRIEVE)
		error = fuse_lowlevel_notify_retrieve(session, ino_of(node), control->length,
						      control->offset, NULL);
	forget_node(node, 1);
	return error;
}

/* What is at the start of the first pipe that is kept. */
static void look_into_pipe(void)
{
	int copy[2];

	if (!make_pipe(copy))
		return;
	if (tee(kept[0][0], copy[1], sizeof(control->seen), 0) > 0)
		read_all(copy[0], (char *)control->seen, sizeof(control->seen));
	close(copy[0]);
	close(copy[1]);
}

static void *take_orders(void *unused)
{
	bool kept_any = false;

	while (true) {
		int order = control->order;

		if (order) {
			control->result = carry_out(order);
			control->order = FUSE_NONE;
			control->done++;
		}
		if (control->look) {
			look_into_pipe();
			control->look = 0;
		}
		if (kept_any && !control->keep_pipe)
			drop_pipes();
		kept_any = control->keep_pipe;
		wait_ms(1);
	}
	return NULL;
}

/* Mounting. */

/* Takes CAP_SYS_ADMIN away from this process, or gives it back. */
static bool set_admin(bool effective, bool permitted)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	if (effective)
		data[0].effective |= 1U << CAP_SYS_ADMIN;
	if (!permitted) {
		data[0].permitted &= ~(1U << CAP_SYS_ADMIN);
		data[0].inheritable &= ~(1U << CAP_SYS_ADMIN);
	}
	return !syscall(SYS_capset, &header, data);
}

static int open_fuse(void)
{
	int fd;

	if (!options.unprivileged)
		return open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (!set_admin(false, true))
		return -1;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	return set_admin(true, true) ? fd : -1;
}

static bool mount_on(const char *mountpoint)
{
	static const struct fuse_custom_io io = {
		.read = read_message,
		.writev = write_message,
	};
	char text[128];
	int fd = open_fuse();

	if (fd < 0)
		return false;
	snprintf(text, sizeof(text), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other%s",
		 fd, options.device ? ",blksize=4096" : "");
	if (mount(options.device ?: "fuse_server", mountpoint,
		  options.device ? "fuseblk" : "fuse", MS_NOSUID | MS_NODEV, text))
		return false;
	if (options.unprivileged && !set_admin(false, false))
		return false;
	device = fd;
	if (options.passthrough)
		return !fuse_session_custom_io(session, &io, fd);
	/* Who mounts is not who serves, for libfuse. */
	snprintf(text, sizeof(text), "/dev/fd/%d", fd);
	return !fuse_session_mount(session, text);
}

static int serve(void)
{
	struct fuse_loop_config *config;
	pthread_t thread;
	int error;

	if (pthread_create(&thread, NULL, answer_all, NULL) ||
	    pthread_create(&thread, NULL, take_orders, NULL))
		return 1;
	if (!options.threads)
		return fuse_session_loop(session) < 0;
	config = fuse_loop_cfg_create();
	error = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return error;
}

static bool share(const char *number)
{
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
		       atoi(number), 0);
	return control != MAP_FAILED;
}

static bool parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "writeback", no_argument, NULL, 'w' },
		{ "splice", no_argument, NULL, 's' },
		{ "unprivileged", no_argument, NULL, 'u' },
		{ "threads", no_argument, NULL, 't' },
		{ "blocking", no_argument, NULL, 'b' },
		{ "drop-cache", no_argument, NULL, 'd' },
		{ "passthrough", no_argument, NULL, 'p' },
		{ "device", required_argument, NULL, 'k' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		options.writeback |= option == 'w';
		options.splice |= option == 's';
		options.unprivileged |= option == 'u';
		options.threads |= option == 't';
		options.blocking |= option == 'b';
		options.drop_cache |= option == 'd';
		options.passthrough |= option == 'p';
		if (option == 'k')
			options.device = optarg;
		if (option == '?' || (option == 'c' && !share(optarg)))
			return false;
	}
	return argc - optind == 2;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: fuse_server [--writeback] [--splice] [--unprivileged]\n"
			"	[--threads] [--blocking] [--drop-cache] [--passthrough]\n"
			"	[--device DEVICE] [--control FD] DIRECTORY MOUNTPOINT\n");
		return 2;
	}
	umask(0);
	root.fd = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
	session = root.fd < 0 ? NULL :
		  fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (!session || !mount_on(argv[optind + 1])) {
		perror("fuse_server");
		return 1;
	}
	return serve();
}
