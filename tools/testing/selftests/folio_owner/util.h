/* SPDX-License-Identifier: GPL-2.0 */
/* What the folio_owner selftests share: they look, and act, from outside. */
#ifndef FOLIO_OWNER_UTIL_H
#define FOLIO_OWNER_UTIL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <lib/test_folio_owner_uapi.h>

#define OWNERS		"/sys/kernel/debug/folio_owner"
#define TRACING		"/sys/kernel/tracing/"
#define TEST_DEVICE	"/dev/test_folio_owner"
#define NO_TEST_DEVICE	"no " TEST_DEVICE ", CONFIG_TEST_FOLIO_OWNER=m"

#define HPAGE_SIZE	(2UL << 20)
#define GIGANTIC_SIZE	(1024UL << 20)
#define HPAGES_2M	"/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define HPAGES_1G	"/sys/kernel/mm/hugepages/hugepages-1048576kB/"
#define HUGETLB		"hugetlb"

/* A line of debugfs, if there is one. */
struct owner {
	int instances;
	long live;
	long frees;
	long batched;
	long deferred;
	long drains;
};

static inline struct owner owner(const char *name)
{
	static bool counting;
	struct owner sum = { };
	char line[256];
	FILE *file = fopen(OWNERS, "r+");

	/* Frees are counted from the first look on. */
	if (file && !counting) {
		fputs("1", file);
		counting = !fclose(file);
		file = fopen(OWNERS, "r");
	}

	while (file && fgets(line, sizeof(line), file)) {
		struct owner one = { };
		char found[65];

		if (sscanf(line, "%64s %ld %ld %ld %ld %ld", found, &one.live,
			   &one.frees, &one.batched, &one.deferred,
			   &one.drains) != 6 || strcmp(found, name))
			continue;
		sum.instances++;
		sum.live += one.live;
		sum.frees += one.frees;
		sum.batched += one.batched;
		sum.deferred += one.deferred;
		sum.drains += one.drains;
	}
	if (file)
		fclose(file);
	return sum;
}

/* The number that a file of sysfs or proc holds, or -1. */
static inline long get(const char *path)
{
	long value = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static inline bool put_string(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static inline bool set(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	return put_string(path, text);
}

static inline void sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}

/* What a line of such a file says of it, or -1. */
static inline long counter_in(const char *path, const char *name)
{
	char line[256], found[65];
	FILE *file = fopen(path, "r");
	long value = -1;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%64[^: ]%*[: ]%ld", found, &value) == 2 &&
		    !strcmp(found, name))
			break;
		value = -1;
	}
	if (file)
		fclose(file);
	return value;
}

static inline long counter(const char *name)
{
	/* What each CPU has on the side is added. */
	set("/proc/sys/vm/stat_refresh", 1);
	return counter_in("/proc/vmstat", name);
}

/* Some of what is asserted is done by a work item, soon. */
#define eventually(condition) ({					\
	int tries = 1000;						\
									\
	while (!(condition) && --tries)					\
		sleep_ms(20);						\
	tries > 0;							\
})

static inline int open_test_device(void)
{
	if (access(TEST_DEVICE, F_OK) && system("modprobe -q test_folio_owner"))
		return -1;
	return open(TEST_DEVICE, O_RDWR | O_CLOEXEC);
}

/* Each page of memory gets content of its own, so that none passes for another. */
static inline void fill(char *memory, size_t pages, size_t stride, int seed)
{
	for (size_t i = 0; i < pages; i++) {
		for (size_t j = 0; j < stride; j += 4096)
			memset(memory + i * stride + j, seed + i, 64);
	}
}

static inline bool filled(const char *memory, size_t pages, size_t stride, int seed)
{
	for (size_t i = 0; i < pages; i++) {
		for (size_t j = 0; j < stride; j += 4096) {
			if (memory[i * stride + j] != (char)(seed + i) ||
			    memory[i * stride + j + 63] != (char)(seed + i))
				return false;
		}
	}
	return true;
}

/* As far as 4 KiB reach: each of these says where it is. */
static inline void stamp(char *memory, size_t size)
{
	for (size_t i = 0; i < size; i += 4096)
		*(size_t *)(memory + i) = ~i;
}

static inline bool stamped(const char *memory, size_t size)
{
	for (size_t i = 0; i < size; i += 4096) {
		if (*(const size_t *)(memory + i) != ~i)
			return false;
	}
	return true;
}

static inline char *map_huge_of(size_t page_size, size_t pages)
{
	return mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
		    __builtin_ctzl(page_size) << MAP_HUGE_SHIFT, -1, 0);
}

static inline char *map_huge(size_t pages)
{
	return map_huge_of(HPAGE_SIZE, pages);
}

/* What is in the way of a gigantic page has to move, which may take more than one try. */
static inline bool set_gigantic(long nr)
{
	for (int tries = 0; tries < 20; tries++) {
		if (set(HPAGES_1G "nr_hugepages", nr) &&
		    get(HPAGES_1G "nr_hugepages") == nr)
			return true;
		set("/proc/sys/vm/drop_caches", 3);
		set("/proc/sys/vm/compact_memory", 1);
	}
	return false;
}

/* The pages that hold struct pages. */
static inline long memmap_pages(void)
{
	return counter("nr_memmap_pages") + counter("nr_memmap_boot_pages");
}

/* How many of them a huge page is without when its memmap is optimized. */
static inline long memmap_saved(size_t page_size)
{
	return page_size / 4096 * 64 / 4096 - 1;
}

/* In bytes, with what can be had at once. */
static inline long free_memory(void)
{
	set("/proc/sys/vm/drop_caches", 3);
	return counter("nr_free_pages") * 4096;
}

/* The page frame under an address, or 0. */
static inline unsigned long pfn_of(const void *address)
{
	unsigned long long entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, 8, (unsigned long)address / 4096 * 8) != 8 ||
	    !(entry >> 63))
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

static inline unsigned long long page_flags(unsigned long pfn)
{
	unsigned long long flags = 0;
	int fd = open("/proc/kpageflags", O_RDONLY);

	if (fd < 0)
		return 0;
	if (pread(fd, &flags, 8, pfn * 8) != 8)
		flags = 0;
	close(fd);
	return flags;
}

/* The kernel log from now on. */
static inline int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Reads on, until a line has both texts in it; that line, or NULL. */
static inline const char *read_log(int fd, const char *text, const char *other)
{
	static char line[4096];

	for (int tries = 0; tries < 300; tries++) {
		ssize_t length;

		while ((length = read(fd, line, sizeof(line) - 1)) > 0 ||
		       (length < 0 && errno == EPIPE)) {
			line[length > 0 ? length : 0] = 0;
			if (strstr(line, text) && strstr(line, other))
				return line;
		}
		sleep_ms(20);
	}
	return NULL;
}

#endif /* FOLIO_OWNER_UTIL_H */
