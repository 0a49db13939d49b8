// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of virtio-mem goes offline of which only a part is plugged, while
 * somebody has a reference to a page of the other part: nobody frees that, and
 * who takes the memory offline waits, but not for good.
 *
 * For a virtual machine with such a device, part of one of whose blocks is
 * plugged, and online.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include "../kselftest_harness.h"
#include "util.h"

#define MEMORY		"/sys/devices/system/memory/"
#define OWNER		"virtio-mem"
#define KPF_OFFLINE	23
#define ROUNDS		20
#define SECONDS		600

static bool unplugged(unsigned long pfn)
{
	return page_flags(pfn) & 1ULL << KPF_OFFLINE;
}

static unsigned long frames_of_block(void)
{
	unsigned long size = 0;
	FILE *file = fopen(MEMORY "block_size_bytes", "r");

	if (file && fscanf(file, "%lx", &size) != 1)
		size = 0;
	if (file)
		fclose(file);
	return size / 4096;
}

/* What the device may plug, and has added. */
static bool find_region(unsigned long *start, unsigned long *end)
{
	FILE *file = fopen("/proc/iomem", "r");
	char line[256];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, "System RAM (virtio_mem)") &&
			sscanf(line, "%lx-%lx", start, end) == 2;
	if (file)
		fclose(file);
	*start /= 4096;
	*end = (*end + 1) / 4096;
	return found;
}

struct block {
	int fd;
	char state[128];		/* a file of sysfs */
	unsigned long first, nr;	/* the page frames of the block */
	unsigned long pfn;		/* one that is not plugged */
	long unplugged;			/* how many are not */
	long total;
};

FIXTURE(virtio_mem)
{
	struct block block;
};

static long count_unplugged(unsigned long first, unsigned long nr)
{
	long count = 0;

	for (unsigned long pfn = first; pfn < first + nr; pfn++)
		count += unplugged(pfn);
	return count;
}

static bool is(struct block *block, const char *state)
{
	char word[32] = "";
	FILE *file = fopen(block->state, "r");

	if (file && fscanf(file, "%31s", word) != 1)
		word[0] = 0;
	if (file)
		fclose(file);
	return !strcmp(word, state);
}

/* 0, or an error number. */
static int go(struct block *block, const char *state)
{
	return put_string(block->state, state) ? 0 : errno;
}

static bool find_block(struct block *block)
{
	unsigned long start, end;

	if (!block->nr || !find_region(&start, &end))
		return false;
	for (block->first = start; block->first < end; block->first += block->nr) {
		block->unplugged = count_unplugged(block->first, block->nr);
		if (!block->unplugged || block->unplugged == (long)block->nr)
			continue;
		for (block->pfn = block->first; !unplugged(block->pfn); block->pfn++)
			;
		snprintf(block->state, sizeof(block->state), MEMORY "memory%lu/state",
			 block->first / block->nr);
		return is(block, "online");
	}
	return false;
}

static long total_memory(void)
{
	return counter_in("/proc/meminfo", "MemTotal");
}

/* The page is as before, and so is the account. */
static bool is_as_before(struct block *block)
{
	return is(block, "online") && !owner(OWNER).live &&
	       count_unplugged(block->first, block->nr) == block->unplugged &&
	       total_memory() == block->total;
}

FIXTURE_SETUP(virtio_mem)
{
	self->block.fd = open_test_device();
	if (self->block.fd < 0)
		SKIP(return, NO_TEST_DEVICE);
	if (access("/sys/bus/virtio/drivers/virtio_mem", F_OK))
		SKIP(return, "no CONFIG_VIRTIO_MEM");
	self->block.nr = frames_of_block();
	/* The device is plugged by a work item. */
	if (!eventually(find_block(&self->block)))
		SKIP(return, "no device of which a part is plugged");
	self->block.total = total_memory();
}

FIXTURE_TEARDOWN(virtio_mem)
{
	close(self->block.fd);
}

static bool grab(struct block *block, unsigned long pfn)
{
	struct test_folio_owner_frames frames = { .pfn = pfn, .nr = 1 };

	return !ioctl(block->fd, TEST_FOLIO_OWNER_GRAB_FRAMES, &frames);
}

static bool put(struct block *block)
{
	struct test_folio_owner_put put = { .refs = 1 };

	return !ioctl(block->fd, TEST_FOLIO_OWNER_PUT, &put);
}

static char state_of(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (file)
		fclose(file);
	return state;
}

/* Nothing of it is to be had. */
TEST_F_TIMEOUT(virtio_mem, goes_offline_and_online, SECONDS)
{
	ASSERT_EQ(go(&self->block, "offline"), 0);
	ASSERT_EQ(owner(OWNER).live, 0);
	ASSERT_LT(total_memory(), self->block.total);
	ASSERT_EQ(go(&self->block, "online_movable"), 0);
	ASSERT_TRUE(is_as_before(&self->block));
}

/* Each puts another page, in the child, as soon as the parent waits for it. */
TEST_F_TIMEOUT(virtio_mem, waits_for_a_reference, SECONDS)
{
	unsigned long pfns[] = { self->block.pfn, self->block.pfn + self->block.unplugged - 1 };

	for (size_t i = 0; i < sizeof(pfns) / sizeof(*pfns); i++) {
		pid_t parent = getpid(), child;
		int status;

		ASSERT_TRUE(unplugged(pfns[i]));
		ASSERT_TRUE(grab(&self->block, pfns[i]));
		child = fork();
		if (!child) {
			while (state_of(parent) != 'S')
				sleep_ms(1);
			_exit(!put(&self->block));
		}
		ASSERT_EQ(go(&self->block, "offline"), 0);
		ASSERT_EQ(waitpid(child, &status, 0), child);
		ASSERT_EQ(status, 0);
		ASSERT_TRUE(is(&self->block, "offline"));
		ASSERT_EQ(owner(OWNER).live, 0);
		ASSERT_EQ(go(&self->block, "online_movable"), 0);
		ASSERT_TRUE(is_as_before(&self->block));
	}
}

TEST_F_TIMEOUT(virtio_mem, gives_up, SECONDS)
{
	ASSERT_TRUE(grab(&self->block, self->block.pfn));
	ASSERT_EQ(go(&self->block, "offline"), EBUSY);
	ASSERT_TRUE(is_as_before(&self->block));

	TH_LOG("the page is not lost with the last reference of others");
	ASSERT_TRUE(put(&self->block));
	ASSERT_TRUE(is_as_before(&self->block));
	ASSERT_EQ(go(&self->block, "offline"), 0);
	ASSERT_EQ(go(&self->block, "online_movable"), 0);
	ASSERT_TRUE(is_as_before(&self->block));
}

static void ignore(int signal)
{
}

TEST_F_TIMEOUT(virtio_mem, is_interrupted, SECONDS)
{
	struct sigaction action = { .sa_handler = ignore };
	pid_t child;
	int status;

	ASSERT_TRUE(grab(&self->block, self->block.pfn));
	child = fork();
	if (!child) {
		sigaction(SIGUSR1, &action, NULL);
		_exit(go(&self->block, "offline"));
	}
	while (state_of(child) != 'S')
		sleep_ms(1);
	kill(child, SIGUSR1);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(WEXITSTATUS(status), EINTR);
	ASSERT_TRUE(is_as_before(&self->block));
	ASSERT_TRUE(put(&self->block));
	ASSERT_TRUE(is_as_before(&self->block));
}

static atomic_bool enough;

static void *touch(void *data)
{
	struct block *block = data;
	struct test_folio_owner_frames frames = { block->first, block->nr };

	while (!enough)
		ioctl(block->fd, TEST_FOLIO_OWNER_TOUCH_FRAMES, &frames);
	return NULL;
}

/* References come and go on all page frames meanwhile. */
TEST_F_TIMEOUT(virtio_mem, survives_who_looks_at_each_page, SECONDS)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_create(threads + i, NULL, touch, &self->block), 0);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(go(&self->block, "offline"), 0);
		ASSERT_EQ(owner(OWNER).live, 0);
		ASSERT_EQ(go(&self->block, "online_movable"), 0);
	}
	enough = true;
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(pthread_join(threads[i], NULL), 0);
	ASSERT_TRUE(is_as_before(&self->block));
}

TEST_HARNESS_MAIN
