// SPDX-License-Identifier: GPL-2.0
/*
 * fsdax_remove FILE-SYSTEM NAMESPACE
 *
 * The driver of persistent memory is unbound while a page of it is pinned: by
 * who has it from a file that is still there, that is deleted, or whose file
 * system is unmounted.  NAMESPACE is made anew, with all that is in it.
 */
#include <libgen.h>
#include "fsdax.h"

#define FILE_PATH	MOUNT "/file"
#define DRIVER		"/sys/bus/nd/drivers/nd_pmem/"
#define PINNED		88
#define PATTERN		((char)0xa5)

static const struct file_system *fs;
static char device[64];
static char bus_name[64];	/* of what the driver is bound to */

enum before { KEEP, DELETE, DETACH };

struct scenario {
	const struct pin *pin;
	enum before before;
};

static bool make_namespace(const char *name)
{
	char text[256], path[320];
	ssize_t size;

	snprintf(text, sizeof(text),
		 "ndctl create-namespace -f -m fsdax -e %s", name);
	if (!run(text))
		return false;
	for (int i = 0; i < 10; i++) {
		snprintf(device, sizeof(device), "/dev/pmem%d", i);
		snprintf(path, sizeof(path), "/sys/block/pmem%d/device", i);
		size = readlink(path, text, sizeof(text) - 1);
		if (size <= 0)
			continue;
		text[size] = 0;
		snprintf(bus_name, sizeof(bus_name), "%s", basename(text));
		snprintf(path, sizeof(path),
			 "grep -qx %s /sys/bus/nd/devices/%s/namespace",
			 name, bus_name);
		if (!system(path))
			return true;
	}
	ksft_print_msg("no block device of %s\n", name);
	return false;
}

static bool destroy_namespace(const char *name)
{
	char text[256];

	snprintf(text, sizeof(text), "ndctl destroy-namespace -f %s", name);
	return run(text);
}

static int run_unbind(void *argument)
{
	return !put_string(DRIVER "unbind", bus_name);
}

static bool is_mounted(void)
{
	return !system("grep -q ' " MOUNT " ' /proc/mounts");
}

static void removal_waits(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct pin *pin = scenario->pin;
	char byte = byte_of('b', PINNED);
	char *memory;
	pid_t pid;
	int fd;

	require(eventually(!access(device, F_OK)) && make_file_system(fs, device),
		"a file system is made");
	fd = make_file(fs, FILE_PATH, "ab");
	memory = map_chunks(fd, CHUNK, 1, false, MAP_SHARED);
	require(fd >= 0 && memory, "a file is made");
	memory[PINNED * 4096 + 64] = 1;
	require(pin->take(memory + PINNED * 4096), "a page can be pinned");
	munmap(memory, CHUNK);
	close(fd);
	if (scenario->before == DELETE)
		expect(!unlink(FILE_PATH), "the file can be deleted");
	if (scenario->before == DETACH)
		expect(!unmount(MNT_DETACH), "the file system can be unmounted");

	pid = start(run_unbind, NULL);
	expect(falls_asleep(pid), "removal waits");
	if (pin->write) {
		expect(pin->write(PATTERN), "the pin can be used");
		byte = PATTERN;
	}
	sleep_ms(100);
	expect(stays_asleep(pid), "it still waits");
	expect(pin->put(byte), "the pin goes, and has seen nothing else");
	if (is_mounted())
		expect(!unmount(MNT_DETACH), "the file system can be unmounted");
	expect(!ends(pid, LIMIT_MS), "it ends");
	expect(eventually(access(device, F_OK)), "the device is gone");
	expect(put_string(DRIVER "bind", bus_name), "it can come back");
}

int main(int argc, char **argv)
{
	static const char *const states[] = {
		"mounted", "deleted", "unmounted lazily",
	};
	static const struct pin *const pins[] = { &pin_by_grab, &pin_by_pipe };
	static struct scenario scenarios[ARRAY_SIZE(pins)][ARRAY_SIZE(states)];

	fs = argc == 3 ? find_file_system(argv[1]) : NULL;
	if (!fs) {
		fprintf(stderr, "usage: fsdax_remove FILE-SYSTEM NAMESPACE\n");
		return 2;
	}
	ksft_print_header();
	if (!make_namespace(argv[2]))
		ksft_exit_skip("no %s\n", argv[2]);
	need(device);

	for (size_t i = 0; i < ARRAY_SIZE(pins); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(states); j++) {
			scenarios[i][j] = (struct scenario){ pins[i], j };
			claim(removal_waits, &scenarios[i][j],
			      "removal waits for %s, %s", pins[i]->name, states[j]);
		}
	}
	ksft_set_plan(nr_claims);
	for (int i = 0; i < nr_claims; i++) {
		ksft_test_result(holds(&claims[i]), "%s\n", claims[i].name);
		if (is_mounted())
			unmount(MNT_DETACH);
	}
	if (!eventually(device_is_free(device)) || !destroy_namespace(argv[2]))
		ksft_exit_fail_msg("%s stays\n", argv[2]);
	ksft_finished();
}
