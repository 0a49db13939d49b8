// SPDX-License-Identifier: GPL-2.0
/* A character device that a server makes: it shares /dev/fuse's ways of copying. */
#define FUSE_USE_VERSION 312
#include "claims.h"
#include <cuse_lowlevel.h>
#include <fuse_lowlevel.h>

#define NAME		"folio_owner_cuse"
#define SIZE		0x100000
#define GET_WRITTEN	_IOR('f', 1, long)

static char kept[SIZE];
static long written;

static void serve_open(fuse_req_t request, struct fuse_file_info *info)
{
	fuse_reply_open(request, info);
}

static size_t limit(size_t size, off_t offset)
{
	if (offset >= SIZE)
		return 0;
	return size < SIZE - (size_t)offset ? size : SIZE - (size_t)offset;
}

static void serve_read(fuse_req_t request, size_t size, off_t offset,
		       struct fuse_file_info *info)
{
	fuse_reply_buf(request, kept + offset, limit(size, offset));
}

static void serve_write(fuse_req_t request, const char *buffer, size_t size, off_t offset,
			struct fuse_file_info *info)
{
	size = limit(size, offset);
	memcpy(kept + offset, buffer, size);
	written += size;
	fuse_reply_write(request, size);
}

static void serve_ioctl(fuse_req_t request, int command, void *argument,
			struct fuse_file_info *info, unsigned int flags, const void *in,
			size_t in_size, size_t out_size)
{
	if ((unsigned int)command == GET_WRITTEN)
		fuse_reply_ioctl(request, 0, &written, sizeof(written));
	else
		fuse_reply_err(request, ENOTTY);
}

static const struct cuse_lowlevel_ops operations = {
	.open = serve_open,
	.read = serve_read,
	.write = serve_write,
	.ioctl = serve_ioctl,
};

static int serve(void *argument)
{
	static const char *const names[] = { "DEVNAME=" NAME };
	char *arguments[3] = { NAME, "-f", "-s" };
	const struct cuse_info info = {
		.dev_info_argc = 1,
		.dev_info_argv = (const char **)names,
	};

	return cuse_lowlevel_main(3, arguments, &info, &operations, NULL);
}

int main(void)
{
	static char out[SIZE], in[SIZE];
	long seen = 0;
	pid_t pid;
	int fd;

	ksft_print_header();
	if (access("/dev/cuse", R_OK | W_OK))
		ksft_exit_skip("no /dev/cuse, CONFIG_CUSE\n");
	ksft_set_plan(5);
	pid = start(serve, NULL);
	fd = eventually(!access("/dev/" NAME, F_OK)) ? open("/dev/" NAME, O_RDWR) : -1;
	ksft_test_result(fd >= 0, "the device is there\n");

	fill(out, SIZE / 4096, 4096, 1);
	ksft_test_result(pwrite(fd, out, SIZE, 0) == SIZE, "it is written to\n");
	ksft_test_result(pread(fd, in, SIZE, 0) == SIZE && !memcmp(in, out, SIZE),
			 "what was written is read\n");
	ksft_test_result(!ioctl(fd, GET_WRITTEN, &seen) && seen == SIZE,
			 "an ioctl returns its data\n");

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ksft_test_result(pread(fd, in, 4096, 0) < 0 && eventually(access("/dev/" NAME, F_OK)),
			 "it goes with its server\n");
	ksft_finished();
}
