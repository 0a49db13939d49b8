/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of fsdax share: file systems on persistent memory, and files
 * there.
 */
#ifndef FOLIO_OWNER_FSDAX_H
#define FOLIO_OWNER_FSDAX_H

#include "claims.h"
#include <linux/fs.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define MOUNT		"/tmp/fsdax"
#define CHUNK		HPAGE_SIZE
#define CHUNK_PAGES	(CHUNK / 4096)

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

#endif /* FOLIO_OWNER_FSDAX_H */
