// SPDX-License-Identifier: GPL-2.0
/*
 * guest_memfd_convert_test [DISK [TEXT]]
 *
 * Shared pages of guest_memfd can be mapped by the host, private ones cannot,
 * and each becomes the other in place.  What becomes private is waited for as
 * long as somebody has it pinned.
 *
 * DISK is slow enough to have a read in flight for as long as it takes to look.
 * With TEXT, only what has it in its name.
 */
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include "guest_memfd.h"

#define ONE	1
#define SOME	512
#define MANY	100000

static struct machine machine;
static struct machine *const m = &machine;

static char *page_at(size_t page)
{
	return m->memory + page * 4096;
}

/* Shared pages, with content 1 from the host. */
static void make_shared_machine(size_t pages)
{
	make_machine(m, pages, MMAP | INIT_SHARED);
	fill_pages(m->memory, pages, 1, 1);
}

static bool host_finds(size_t first, size_t pages, int seed)
{
	return first_wrong(page_at(first), pages, 1, seed, -1, 0) == pages;
}

/* Creation and mapping. */

static int flags_of(unsigned long type)
{
	struct kvm_vm *vm = vm_create_barebones_type(type);
	int flags = vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS);

	for (int bit = 0; bit < 64; bit++) {
		uint64_t flag = 1ULL << bit;
		int fd = __vm_create_guest_memfd(vm, 4096, flag);

		if (flag & ~(uint64_t)flags)
			expect(fd < 0 && errno == EINVAL, "flag %d is refused", bit);
		close(fd);
	}
	return flags;
}

static void flags_are_reported(const void *unused)
{
	expect(flags_of(KVM_X86_SW_PROTECTED_VM) == (MMAP | INIT_SHARED),
	       "a software-protected machine has both flags");
	expect(flags_of(KVM_X86_DEFAULT_VM) == 0, "another one has none");
	m->vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	expect(vm_check_cap(m->vm, KVM_CAP_MEMORY_ATTRIBUTES_FLAGS) == NO_WAIT,
	       "there is a flag not to wait");
	expect(__vm_create_guest_memfd(m->vm, 4096, INIT_SHARED) < 0 && errno == EINVAL,
	       "what cannot be mapped cannot start shared");
	create_file(m, 2, MMAP | INIT_SHARED);
	for (int bit = 1; bit < 64; bit++) {
		struct kvm_memory_attributes request;

		set_attributes(&request, 0, 1, PRIVATE, 1ULL << bit);
		expect(ioctl(m->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &request) &&
		       errno == EINVAL, "flag %d of a conversion is refused", bit);
	}
}

static bool is_mapped(int fd, int flags, off_t offset)
{
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, fd, offset);

	if (memory == MAP_FAILED)
		return false;
	munmap(memory, 4096);
	return true;
}

static void mapping_is_shared(const void *unused)
{
	int fd;

	m->vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	fd = vm_create_guest_memfd(m->vm, 8192, 0);
	expect(!is_mapped(fd, MAP_SHARED, 0) && errno == ENODEV,
	       "a file without the flag cannot be mapped");
	fd = vm_create_guest_memfd(m->vm, 8192, MMAP);
	expect(is_mapped(fd, MAP_SHARED, 4096), "a file with the flag can be mapped");
	expect(is_mapped(fd, MAP_SHARED_VALIDATE, 0), "also with validated flags");
	expect(!is_mapped(fd, MAP_PRIVATE, 0) && errno == EINVAL,
	       "but not privately");
}

static void fault_is_bounded(const void *unused)
{
	make_bare_machine(m, 2, MMAP | INIT_SHARED);
	m->memory = map_file(m->fd, 3);
	expect(host_has_page(m, 1), "the last page is there");
	expect(!host_has_page(m, 2), "beyond it, there is SIGBUS");
	expect(bus_code == BUS_ADRERR, "of that kind");
}

static void private_faults(const void *unused)
{
	make_machine(m, 4, MMAP);
	for (int write = 0; write < 2; write++)
		expect(!host_can(m->memory, write), "a private page is not there");
	expect(bus_code == BUS_ADRERR, "SIGBUS says so");
	for (int write = 0; write < 2; write++)
		expect(!can_be_grabbed(m->memory, write) && errno == EFAULT,
		       "it cannot be pinned");
	expect(!convert(m, 0, 2, PRIVATE), "it becomes private for the guest");
	expect(!guest_fills(m, 0, 2, 1, 9), "the guest can store to it");
	expect(!host_can(m->memory, false) && !can_be_grabbed(m->memory, false),
	       "it is no more there for the host than before");
	expect(are(m, 0, 2, PRIVATE), "it is private");
	expect(!convert(m, 0, 1, SHARED), "it becomes shared");
	expect(host_finds(0, 1, 9), "the host finds what the guest stored");
	expect(!host_has_page(m, 1), "and only what is shared");
	expect(guest_finds(m, 0, 2, 9), "the guest finds all of it");
	expect(are(m, 0, 1, SHARED) && are(m, 1, 1, PRIVATE),
	       "one page is shared, and one private");
}

/* What is free then is anything but zero. */
static void leave_dirty_memory(void)
{
	const size_t size = 64 << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	require(memory != MAP_FAILED, "there is memory");
	madvise(memory, size, MADV_NOHUGEPAGE);
	memset(memory, 0xff, size);
	munmap(memory, size);
}

static void starts_shared(const void *unused)
{
	leave_dirty_memory();
	make_machine(m, 4, MMAP | INIT_SHARED);
	expect(guest_finds_but(m, 0, 4, 8, 0, -1, 0) == 4, "all is zero");
	fill_pages(m->memory, 4, 1, 1);
	expect(guest_finds(m, 0, 4, 1), "the guest finds what the host stored");
	expect(!guest_fills(m, 0, 4, 1, 20), "the guest can store, too");
	expect(host_finds(0, 4, 20), "which the host finds");
	expect(are(m, 0, 4, SHARED), "all is shared");
}

static void new_pages_are_zero(const void *unused)
{
	leave_dirty_memory();
	make_machine(m, SOME, MMAP | INIT_SHARED);
	expect(!convert(m, 0, SOME / 2, PRIVATE), "holes become private");
	for (size_t i = 0; i < SOME; i += SOME / 8)
		expect(guest_finds_but(m, i, 1, 1, 0, -1, 0) == 1, "page %zu is zero", i);
	expect(!convert(m, 0, SOME / 2, SHARED), "holes become shared");
	for (size_t i = 0; i < SOME / 2; i++)
		expect(has_byte(page_at(i), 0), "page %zu is zero for the host", i);
}

/* Conversions. */

struct scenario {
	size_t pages;
	const struct pin *pin;
};

static size_t step_of(size_t pages)
{
	return pages < MANY ? 1 : 97;
}

static int remap_slot(uint32_t slot, uint64_t gpa, size_t pages)
{
	return set_slot(m, slot, gpa, pages, m->memory, m->pages - 1);
}

/* Another machine is not held up. */
static void other_machine_converts(void)
{
	struct machine other = { };

	make_bare_machine(&other, 2, MMAP | INIT_SHARED);
	memset(other.memory, 5, 8192);
	expect(!convert(&other, 0, 2, PRIVATE) && !host_has_page(&other, 0) &&
	       !convert(&other, 0, 2, SHARED) && has_byte(other.memory + 4096, 5),
	       "another machine converts meanwhile");
	close(other.fd);
	kvm_vm_free(other.vm);
}

/* What goes on while @page is waited for; the spare page is not. */
static void nobody_else_waits(size_t page, size_t spare)
{
	expect(!host_has_page(m, page), "the host does not get what is waited for");
	expect(!can_be_grabbed(page_at(page), false) && errno == EFAULT,
	       "nor is it pinned once more");
	expect(guest_touches(m, page) == -EFAULT &&
	       m->vcpus[0]->run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	       m->vcpus[0]->run->memory_fault.gpa == GPA + page * 4096 &&
	       m->vcpus[0]->run->memory_fault.flags == 0,
	       "the guest does not get it");
	expect(host_can(page_at(spare), true), "the host gets another page");
	expect(!guest_fills(m, spare, 1, 1, 7) && host_finds(spare, 1, 7),
	       "the guest, too");
	expect(!fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  spare * 4096, 4096) && host_has_page(m, spare),
	       "it can be punched out and filled again");
	other_machine_converts();
}

static void converts(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct pin *pin = scenario->pin;
	size_t pages = scenario->pages, pinned = pages / 2;
	size_t step = step_of(pages);
	char byte = 1 + pinned;
	struct conversion conversion;
	bool asleep;

	make_machine(m, pages + 1, MMAP | INIT_SHARED);
	fill_pages(m->memory, pages, 1, 1);
	if (pin)
		require(pin->take(page_at(pinned)), "a page can be pinned (%s)",
			strerror(errno));
	start_conversion(&conversion, m, 0, pages, PRIVATE);
	if (pin) {
		asleep = waits(&conversion);
		expect(asleep || (is_on_disk(pin) && !pin->is_held()), "it waits");
		if (asleep)
			nobody_else_waits(pinned, pages);
		byte = write_through(pin, byte);
		asleep = waits(&conversion);
		if (pin->is_held())
			expect(asleep, "it still waits");
		if (is_on_disk(pin))
			byte = 0;
		expect(pin->put(byte), "the pin goes, and has seen nothing else");
	}
	expect(!result_of(&conversion), "it ends, and succeeds");

	for (size_t i = 0; i < pages; i += pages / 32 + 1)
		expect(!host_has_page(m, i), "the host does not have page %zu", i);
	expect(!host_has_page(m, pinned) && !host_has_page(m, pages - 1),
	       "nor the one that was pinned, nor the last");
	expect(!can_be_grabbed(page_at(pinned), true), "it cannot be pinned");
	expect(guest_has_private(m, pinned), "the guest has it");
	expect(guest_finds_but(m, 0, pages, 1, 1, pinned, byte) == (long)pages,
	       "the guest finds what was there");
	expect(!guest_fills(m, 0, pages, step, 50), "the guest can store to all of them");
	expect(!convert(m, 0, pages, SHARED), "they become shared");
	expect(first_wrong(m->memory, pages, step, 50, -1, 0) == pages,
	       "the host finds what the guest stored");
	if (step > 1)
		expect(first_wrong(page_at(1), pages - 1, step, 2, -1, 0) == pages - 1,
		       "and what it did not store to");
	expect(are(m, 0, 1, SHARED) && are(m, pinned, 1, SHARED), "they are shared");
}

/* What is shared already has no content to lose, and needs no wait. */
static void repeats(const void *unused)
{
	make_shared_machine(8);
	require(grab_take(page_at(3)), "a page can be pinned");
	expect(!convert(m, 0, 8, SHARED), "shared pages become shared");
	expect(host_finds(0, 8, 1) && guest_finds(m, 0, 8, 1), "and keep their content");
	expect(grab_put(0), "the pin goes");
	for (int i = 0; i < 2; i++) {
		expect(!convert(m, 0, 8, PRIVATE), "all become private");
		expect(guest_finds(m, 0, 8, 1), "and keep their content");
	}
	expect(are(m, 0, 8, PRIVATE), "they are private");
}

static void several_pins(const void *unused)
{
	struct conversion conversion;
	int fds[8];

	make_shared_machine(SOME);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		struct test_folio_owner_grab grab = {
			.addr = (unsigned long)page_at(i * 64),
			.stride = 4096,
			.nr = 60,
		};

		fds[i] = open_test_device();
		require(!ioctl(fds[i], TEST_FOLIO_OWNER_GRAB, &grab), "pages can be pinned");
	}
	start_conversion(&conversion, m, 0, SOME, PRIVATE);
	/* From the last to the first. */
	for (size_t i = ARRAY_SIZE(fds); i-- > 0;) {
		expect(waits(&conversion), "it waits");
		close(fds[i]);
	}
	expect(!result_of(&conversion), "it ends, and succeeds");
	expect(guest_finds(m, 0, SOME, 1), "the guest finds what was there");
	expect(are(m, 100, 100, PRIVATE), "all is private");
}

/* The kernel drops the pin in the context of the process that waits for it. */
static void ring_is_closed(const void *unused)
{
	make_shared_machine(8);
	require(ring_take(page_at(4)), "a page can be pinned");
	close(ring);
	expect(!convert(m, 0, 8, PRIVATE), "all becomes private");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
}

/* Without a wait, and back from where one was given up. */

static void no_wait_succeeds(const void *unused)
{
	make_shared_machine(SOME);
	expect(!convert_no_wait(m, 0, SOME, NULL), "what is not pinned is converted");
	expect(guest_finds(m, 0, SOME, 1), "the guest finds what was there");
	expect(are(m, 0, 8, PRIVATE), "it is private");
}

static void no_wait_fails(const void *argument)
{
	const struct pin *pin = argument;
	size_t busy;
	char byte = 1 + 5;
	int err;

	make_shared_machine(8);
	require(pin->take(page_at(5)), "a page can be pinned");
	err = convert_no_wait(m, 1, 6, &busy);
	expect(err == -EAGAIN || (is_on_disk(pin) && !pin->is_held()),
	       "it ends at once (%d)", err);
	if (err) {
		expect(busy == 5, "the busy page is named: %zu", busy);
		expect(first_wrong(m->memory, 8, 1, 1, 5,
				   is_on_disk(pin) ? *page_at(5) : 6) == 8,
		       "the host has all pages");
		byte = write_through(pin, byte);
		if (is_on_disk(pin))
			byte = 0;
		else
			expect(are(m, 0, 8, SHARED), "all is shared");
	}
	expect(pin->put(byte), "the pin goes");
	expect(!convert_no_wait(m, 1, 6, NULL), "then it succeeds");
	expect(are(m, 1, 6, PRIVATE) && are(m, 0, 1, SHARED) && are(m, 7, 1, SHARED),
	       "and makes private what it should");
}

static void names_the_first(const void *unused)
{
	struct test_folio_owner_grab grab = {
		.stride = 3 * 4096, .nr = 3,
	};
	int fd = open_test_device();
	size_t busy;

	make_shared_machine(16);
	grab.addr = (unsigned long)page_at(4);
	require(!ioctl(fd, TEST_FOLIO_OWNER_GRAB, &grab), "pages can be pinned");
	expect(convert_no_wait(m, 0, 16, &busy) == -EAGAIN && busy == 4,
	       "the first is named");
	expect(convert_no_wait(m, 5, 11, &busy) == -EAGAIN && busy == 7,
	       "of those that are asked for");
	expect(!convert_no_wait(m, 8, 2, &busy), "what is between them is not busy");
	expect(are(m, 8, 2, PRIVATE) && are(m, 0, 8, SHARED) && are(m, 10, 6, SHARED),
	       "and nothing else is private");
}

/* Two private pages, two that never were touched, and a pinned one. */
static void make_mixed_machine(void)
{
	make_machine(m, 12, MMAP | INIT_SHARED);
	fill_pages(m->memory, 10, 1, 1);
	require(!convert(m, 2, 2, PRIVATE), "two pages become private");
	require(grab_take(page_at(8)), "a page can be pinned");
}

static void is_mixed_machine(void)
{
	expect(are(m, 0, 2, SHARED) && are(m, 2, 2, PRIVATE) && are(m, 4, 8, SHARED),
	       "all is as it was before");
	expect(guest_finds(m, 0, 10, 1), "the guest finds what was there");
	expect(host_finds(0, 2, 1) && host_finds(4, 6, 5), "and the host");
	expect(guest_finds_but(m, 10, 1, 1, 0, -1, 0) == 1, "holes are zero");
	expect(grab_put(0), "the pin goes");
	expect(!convert(m, 0, 12, PRIVATE), "then all can be converted");
	expect(are(m, 0, 12, PRIVATE), "and is private");
	expect(guest_finds(m, 0, 10, 1), "the guest finds what was there");
}

static void mixed_range_no_wait(const void *unused)
{
	size_t busy;

	make_mixed_machine();
	expect(convert_no_wait(m, 0, 12, &busy) == -EAGAIN && busy == 8,
	       "it fails at the pinned page");
	is_mixed_machine();
}

static void mixed_range_killed(const void *unused)
{
	struct conversion conversion;

	make_mixed_machine();
	start_conversion(&conversion, m, 0, 12, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(dies(&conversion), "it can be killed");
	is_mixed_machine();
}

static void dies_waiting(const void *argument)
{
	const struct scenario *scenario = argument;
	const struct pin *pin = scenario->pin;
	size_t pages = scenario->pages, pinned = pages / 2;
	struct conversion conversion;
	char byte = 1 + pinned;
	bool asleep;

	make_machine(m, pages, MMAP | INIT_SHARED);
	fill_pages(m->memory, pages, 1, 1);
	require(pin->take(page_at(pinned)), "a page can be pinned");
	start_conversion(&conversion, m, 0, pages, PRIVATE);
	asleep = waits(&conversion);
	if (is_on_disk(pin) && !(asleep && pin->is_held())) {
		ksft_print_msg("the disk is too fast\n");
		return;
	}
	expect(asleep, "it waits");
	expect(dies(&conversion), "it can be killed");
	if (is_on_disk(pin)) {
		pin->put(0);
		byte = 0;
	}
	expect(first_wrong(m->memory, pages, 1, 1, pinned, byte) == pages,
	       "the host has all pages");
	expect(are(m, 0, 1, SHARED) && are(m, pinned, 1, SHARED) &&
	       are(m, pages - 1, 1, SHARED), "all is shared");
	if (!is_on_disk(pin)) {
		byte = write_through(pin, byte);
		expect(has_byte(page_at(pinned), byte), "the page is the pinned one");
		expect(pin->put(byte), "the pin goes, and has seen nothing else");
	}
	expect(!convert(m, 0, pages, PRIVATE), "then it can be converted");
	expect(guest_finds_but(m, 0, pages, 1, 1, pinned, byte) == (long)pages,
	       "the guest finds what was there");
}

/*
 * Pages that are new: the processor where they were allocated has references to
 * them, until something happens there.
 */

static int alarm_clock[2], bed[2];

static bool stay_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return !sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int sleep_in(bool ok)
{
	char byte;

	write(alarm_clock[1], "", 1);
	read(bed[0], &byte, 1);
	return !ok;
}

static int fills_and_sleeps(void *unused)
{
	bool ok = stay_on(1);

	fill_pages(m->memory, 8, 1, 1);
	return sleep_in(ok);
}

static int replaces_and_sleeps(void *unused)
{
	bool ok = stay_on(1) &&
		  !fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     4 * 4096, 2 * 4096) &&
		  !fallocate(m->fd, FALLOC_FL_KEEP_SIZE, 4 * 4096, 2 * 4096);

	return sleep_in(ok);
}

/* It has done that, and does nothing any more. */
static pid_t start_elsewhere(int (*function)(void *))
{
	char byte;
	pid_t child;

	require(!pipe(alarm_clock) && !pipe(bed), "there are pipes");
	child = start(function, NULL);
	require(read(alarm_clock[0], &byte, 1) == 1 && falls_asleep(child),
		"another processor has done its part");
	return child;
}

static void wake_up(pid_t child)
{
	write(bed[1], "", 1);
	expect(!ends(child, LIMIT_MS), "it did it");
}

static void new_pages_are_converted(const void *no_wait)
{
	pid_t child;

	require(stay_on(0), "there is a processor");
	make_machine(m, 8, MMAP | INIT_SHARED);
	child = start_elsewhere(fills_and_sleeps);
	if (no_wait)
		expect(!convert_no_wait(m, 0, 8, NULL), "pages become private at once");
	else
		expect(!convert(m, 0, 8, PRIVATE), "pages become private");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
	wake_up(child);
}

static void new_page_meanwhile(const void *unused)
{
	struct conversion conversion;
	pid_t child;

	require(stay_on(0), "there is a processor");
	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	child = start_elsewhere(replaces_and_sleeps);
	expect(!result_of(&conversion), "it ends: that page is not there any more");
	wake_up(child);
	expect(are(m, 0, 8, PRIVATE), "all is private");
	expect(grab_put(0), "the pin goes");
}

/* Others, while one waits. */

static void two_wait(const void *unused)
{
	struct conversion first, second;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&first, m, 0, 6, PRIVATE);
	expect(waits(&first), "one waits");
	start_conversion(&second, m, 2, 6, PRIVATE);
	expect(waits(&second), "another one waits, too");
	expect(waits(&first), "the first still waits");
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&first) && !result_of(&second), "both succeed");
	expect(are(m, 0, 8, PRIVATE), "all is private");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
}

/* Somebody else's conversion is a reason to wait, too. */
static void no_wait_meanwhile(const void *unused)
{
	struct conversion conversion;
	size_t busy;

	make_shared_machine(16);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 2, 6, PRIVATE);
	expect(waits(&conversion), "one waits");
	expect(convert_no_wait(m, 0, 16, &busy) == -EAGAIN && busy == 2,
	       "the other does not, and is told where it would (%zu)", busy);
	expect(!convert_no_wait(m, 8, 8, NULL), "elsewhere it would not");
	expect(are(m, 8, 8, PRIVATE) && are(m, 0, 2, SHARED),
	       "what is not waited for is converted");
	expect(waits(&conversion), "the first still waits");
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&conversion), "it ends, and succeeds");
	expect(are(m, 2, 6, PRIVATE), "what it waited for is private");
	expect(guest_finds(m, 0, 16, 1), "the guest finds what was there");
}

static void ignore_signal(int signal)
{
}

/* None but those that kill. */
static void survives_signals(const void *unused)
{
	static const int signals[] = { SIGUSR1, SIGSTOP, SIGCONT, SIGUSR1 };
	struct conversion first, second;

	make_shared_machine(8);
	signal(SIGUSR1, ignore_signal);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&first, m, 0, 8, PRIVATE);
	expect(waits(&first), "one waits");
	start_conversion(&second, m, 0, 8, PRIVATE);
	expect(waits(&second), "another one waits, too");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		kill(first.pid, signals[i]);
		kill(second.pid, signals[i]);
		if (signals[i] == SIGSTOP)
			continue;
		expect(waits(&first) && waits(&second),
		       "they wait after signal %d", signals[i]);
	}
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&first) && !result_of(&second), "both succeed");
	expect(are(m, 0, 8, PRIVATE), "all is private");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
}

/* Whichever is killed, the other goes on. */
static void one_of_two_dies(const void *argument)
{
	struct conversion conversions[2];
	int victim = !!argument;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	for (int i = 0; i < 2; i++) {
		start_conversion(&conversions[i], m, 0, 8, PRIVATE);
		expect(waits(&conversions[i]), "number %d waits", i);
	}
	expect(dies(&conversions[victim]), "number %d can be killed", victim);
	expect(waits(&conversions[!victim]), "the other one waits");
	expect(!host_has_page(m, 4), "the host does not get the page");
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&conversions[!victim]), "it ends, and succeeds");
	expect(are(m, 0, 8, PRIVATE), "all is private");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
}

/* Which is after the other is up to them; pages and attributes agree. */
static void back_while_waiting(const void *unused)
{
	struct conversion first, second;
	bool shared;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&first, m, 0, 8, PRIVATE);
	expect(waits(&first), "one waits");
	start_conversion(&second, m, 0, 8, SHARED);
	waits(&second);
	expect(grab_put(0), "the pin goes");
	result_of(&first);
	expect(!result_of(&second), "the second ends, and succeeds");
	shared = host_has_page(m, 4);
	expect(are(m, 0, 8, shared ? SHARED : PRIVATE), "all is of one kind");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
}

static void other_range_meanwhile(const void *unused)
{
	struct conversion first, second;

	make_shared_machine(16);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&first, m, 0, 8, PRIVATE);
	expect(waits(&first), "one waits");
	start_conversion(&second, m, 8, 8, PRIVATE);
	waits(&second);
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&first) && !result_of(&second), "both succeed");
	expect(are(m, 0, 16, PRIVATE), "all is private");
	expect(guest_finds(m, 0, 16, 1), "the guest finds what was there");
}

static int slot_request(struct conversion *conversion,
			struct kvm_userspace_memory_region2 *region,
			uint64_t gpa, size_t pages)
{
	*region = (struct kvm_userspace_memory_region2) {
		.slot = SLOT,
		.flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa,
		.memory_size = pages * 4096,
		.userspace_addr = (unsigned long)m->memory,
		.guest_memfd = m->fd,
	};
	start_ioctl(conversion, m->vm->fd, KVM_SET_USER_MEMORY_REGION2, region);
	return result_of(conversion);
}

static void slot_is_deleted(const void *unused)
{
	struct kvm_userspace_memory_region2 region;
	struct conversion conversion, deletion;
	long result;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(!slot_request(&deletion, &region, GPA, 0), "the slot can be deleted");
	grab_write(PATTERN);
	expect(grab_put(0), "the pin goes");
	result = result_of(&conversion);
	expect(result != -EINPROGRESS, "it ends");
	expect(!set_slot(m, SLOT, GPA, 8, m->memory, 0), "the slot can come back");
	expect(!convert(m, 0, 8, SHARED), "all can become shared");
	expect(are(m, 0, 8, SHARED), "and is");
	expect(first_wrong(m->memory, 8, 1, 1, 4, PATTERN) == 8,
	       "with what was there");
	expect(!convert(m, 0, 8, PRIVATE), "all can become private");
	expect(are(m, 0, 8, PRIVATE), "and is");
}

static void slot_is_replaced(const void *unused)
{
	struct kvm_userspace_memory_region2 region;
	struct conversion conversion, deletion;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(!slot_request(&deletion, &region, GPA, 0), "the slot can be deleted");
	/* Other pages of the file at the same place, and these at another. */
	expect(!set_slot(m, SLOT, GPA, 4, page_at(4), 4) &&
	       !set_slot(m, SLOT + 1, GPA + 4 * 4096, 4, m->memory, 0),
	       "others can take its place");
	expect(grab_put(0), "the pin goes");
	expect(result_of(&conversion) != -EINPROGRESS, "it ends");
	expect(!convert(m, 0, 8, SHARED), "all can become shared");
	for (int i = 0; i < 8; i++)
		expect(host_has_page(m, i), "the host has page %d", i);
	expect(host_finds(0, 8, 1), "with what was there");
	expect(guest_finds(m, 0, 4, 5) && guest_finds(m, 4, 4, 1),
	       "which the guest finds where it is now");
}

static void slot_does_not_move(const void *unused)
{
	struct kvm_userspace_memory_region2 region;
	struct conversion conversion, move;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(slot_request(&move, &region, GPA + HPAGE_SIZE, 8) == -EINVAL,
	       "the slot cannot be moved");
	expect(remap_slot(SLOT + 1, GPA + HPAGE_SIZE, 1) == -EINVAL,
	       "nor the page be in another one");
	expect(waits(&conversion), "it waits");
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&conversion), "it ends, and succeeds");
	expect(are(m, 0, 8, PRIVATE), "all is private");
}

/* Pages that are not where their number says, in two slots. */
static void spans_slots(const void *unused)
{
	struct conversion conversion;
	size_t busy;

	make_vcpus(m, 16, 1);
	create_file(m, 16, MMAP | INIT_SHARED);
	fill_pages(m->memory, 16, 1, 1);
	require(!set_slot(m, SLOT, GPA, 8, page_at(8), 8) &&
		!set_slot(m, SLOT + 1, GPA + 8 * 4096, 8, page_at(0), 0),
		"the file backs two slots");
	require(grab_take(page_at(2)), "a page can be pinned");
	expect(convert_no_wait(m, 4, 8, &busy) == -EAGAIN && busy == 10,
	       "it is busy where the guest has it");
	expect(host_finds(0, 16, 1), "the host has all pages");
	start_conversion(&conversion, m, 4, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(!host_has_page(m, 2), "the page is not there");
	expect(dies(&conversion), "it can be killed");
	expect(host_finds(0, 16, 1), "the host has all pages");
	expect(grab_put(0), "the pin goes");
	expect(!convert(m, 4, 8, PRIVATE), "then it succeeds");
	for (int i = 0; i < 16; i++)
		expect(host_has_page(m, i) == (i >= 4 && i < 12),
		       "page %d is what it should be", i);
	expect(guest_finds(m, 0, 8, 9) && guest_finds(m, 8, 8, 1),
	       "the guest finds what was there");
}

static long prefault(size_t first, size_t pages)
{
	struct kvm_pre_fault_memory range = {
		.gpa = GPA + first * 4096,
		.size = pages * 4096,
	};
	struct conversion conversion;

	start_ioctl(&conversion, m->vcpus[0]->fd, KVM_PRE_FAULT_MEMORY, &range);
	return result_of(&conversion);
}

static void prefaults(const void *unused)
{
	struct conversion conversion;
	long result;

	make_shared_machine(8);
	require(!convert(m, 0, 2, PRIVATE), "pages become private");
	expect(!prefault(0, 2), "they can be prefaulted");
	expect(guest_finds(m, 0, 2, 1), "and have what was there");
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	result = prefault(4, 1);
	expect(result && result != -EINPROGRESS,
	       "what is waited for is not prefaulted (%ld)", result);
	expect(guest_touches(m, 4) == -EFAULT, "the guest does not get it");
	grab_write(PATTERN);
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&conversion), "it ends, and succeeds");
	expect(!prefault(0, 8), "then all can be prefaulted");
	expect(guest_finds_but(m, 0, 8, 1, 1, 4, PATTERN) == 8,
	       "and has what was there");
}

/* Holes. */

static int punch(size_t first, size_t pages)
{
	return fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 first * 4096, pages * 4096);
}

static void holes_are_zero(const void *unused)
{
	leave_dirty_memory();
	make_shared_machine(8);
	require(!convert(m, 0, 4, PRIVATE), "pages become private");
	expect(!punch(2, 4), "pages of both kinds are punched out");
	expect(are(m, 0, 4, PRIVATE) && are(m, 4, 4, SHARED),
	       "what is there now is of the same kind");
	expect(guest_finds(m, 0, 2, 1) && guest_finds(m, 6, 2, 7),
	       "other pages are as they were");
	for (int i = 2; i < 6; i++)
		expect(guest_finds_but(m, i, 1, 1, 0, -1, 0) == 1, "page %d is zero", i);
	expect(has_byte(page_at(4), 0) && has_byte(page_at(5), 0),
	       "for the host, too");
	expect(!convert(m, 0, 8, SHARED), "all can become shared");
	expect(host_finds(0, 2, 1) && has_byte(page_at(2), 0), "with this content");
}

static void hole_leaves_pin(const void *argument)
{
	const struct pin *pin = argument;
	char byte = 1 + 4;

	make_shared_machine(8);
	require(pin->take(page_at(4)), "a page can be pinned");
	expect(!punch(4, 1), "it is punched out");
	expect(has_byte(page_at(4), 0), "what is there is zero");
	memset(page_at(4), 9, 4096);
	byte = write_through(pin, byte);
	expect(has_byte(page_at(4), 9), "and is not what is pinned");
	expect(!convert(m, 0, 8, PRIVATE), "nobody waits for what is not there");
	expect(guest_finds_but(m, 0, 8, 1, 1, 4, 9) == 8, "the guest finds what is there");
	expect(pin->put(byte), "the pin goes, and has seen nothing else");
	expect(guest_finds_but(m, 0, 8, 1, 1, 4, 9) == 8, "and that stays");
}

static void hole_meanwhile(const void *argument)
{
	bool die = argument;
	struct conversion conversion;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(!punch(3, 3), "a hole can be punched meanwhile");
	grab_write(PATTERN);
	if (die) {
		expect(dies(&conversion) || !READ_ONCE(conversion.result),
		       "it can be killed, or has ended");
		expect(grab_put(0), "the pin goes");
		if (host_has_page(m, 0))
			expect(are(m, 0, 8, SHARED), "all is shared");
		else
			expect(are(m, 0, 8, PRIVATE), "all is private");
	} else {
		expect(grab_put(0), "the pin goes");
		expect(!result_of(&conversion), "it ends, and succeeds");
		expect(are(m, 0, 8, PRIVATE), "all is private");
	}
	expect(guest_finds(m, 0, 3, 1) && guest_finds(m, 6, 2, 7),
	       "other pages are as they were");
	for (int i = 3; i < 6; i++)
		expect(guest_finds_but(m, i, 1, 1, 0, -1, 0) == 1, "page %d is zero", i);
}

static void allocates(const void *unused)
{
	struct conversion conversion;

	make_machine(m, 8, MMAP | INIT_SHARED);
	require(!convert(m, 0, 4, PRIVATE), "pages become private");
	expect(!fallocate(m->fd, FALLOC_FL_KEEP_SIZE, 0, 8 * 4096),
	       "pages of both kinds can be allocated");
	expect(are(m, 0, 4, PRIVATE) && are(m, 4, 4, SHARED), "and stay what they are");
	for (int i = 0; i < 8; i++)
		expect(guest_finds_but(m, i, 1, 1, 0, -1, 0) == 1, "page %d is zero", i);
	fill_pages(page_at(4), 4, 1, 1);
	require(grab_take(page_at(6)), "a page can be pinned");
	start_conversion(&conversion, m, 4, 4, PRIVATE);
	expect(waits(&conversion), "it waits");
	expect(!fallocate(m->fd, FALLOC_FL_KEEP_SIZE, 0, 8 * 4096),
	       "what is there need not be allocated");
	expect(!host_has_page(m, 6), "and is not there for the host");
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&conversion), "it ends, and succeeds");
	expect(guest_finds(m, 4, 4, 1), "the guest finds what was there");
}

static int allocates_all(void *unused)
{
	return fallocate(m->fd, FALLOC_FL_KEEP_SIZE, 0, MANY * 4096) ? 1 : 0;
}

/* What is done with the page after them meanwhile does not wait for the last. */
static void is_overtaken(const void *unused)
{
	const size_t spare = MANY;
	bool overtaken = false;

	make_bare_machine(m, MANY + 1, MMAP | INIT_SHARED);
	require(host_can(page_at(spare), true), "there is a page");
	for (int i = 0; i < 20 && !overtaken && !failed; i++) {
		long live = owner(OWNER).live;
		pid_t child = start(allocates_all, NULL);

		while (owner(OWNER).live <= live && state_of(child) != 'Z')
			;
		expect(!convert(m, spare, 1, PRIVATE) && !convert(m, spare, 1, SHARED) &&
		       host_can(page_at(spare), true), "a page is converted, and back");
		overtaken = owner(OWNER).live < MANY;
		expect(!ends(child, 3 * LIMIT_MS), "all pages are allocated");
		expect(owner(OWNER).live > MANY, "really");
		expect(!punch(0, MANY), "they are punched out");
	}
	expect(overtaken, "that is done before all others are allocated");
}

static void size_is_fixed(const void *unused)
{
	struct stat stat;

	make_shared_machine(8);
	expect(ftruncate(m->fd, 4096) && errno == EINVAL, "it cannot be cut");
	expect(ftruncate(m->fd, 16 * 4096) && errno == EINVAL, "nor grow");
	expect(fallocate(m->fd, 0, 0, 4096), "fallocate does not change the size");
	expect(fallocate(m->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 4096) &&
	       errno == EOPNOTSUPP, "nor make zeroes of what is there");
	expect(!fstat(m->fd, &stat) && stat.st_size == 8 * 4096, "the size is the same");
	expect(host_finds(0, 8, 1), "and the content");
}

/* The end of those who have the pages. */

static void file_is_closed(const void *argument)
{
	const struct pin *pin = argument;
	long live = owner(OWNER).live;
	char byte = 1 + 4;

	make_shared_machine(8);
	require(!convert(m, 0, 2, PRIVATE) && !guest_fills(m, 0, 2, 1, 1),
		"some pages become private");
	expect(owner(OWNER).live == live + 8, "the pages are owned");
	require(pin->take(page_at(4)), "a page can be pinned");
	munmap(m->memory, 8 * 4096);
	close(m->fd);
	kvm_vm_free(m->vm);
	expect(eventually(owner(OWNER).live == live + 1),
	       "all pages but the pinned one are free");
	byte = write_through(pin, byte);
	expect(pin->put(byte), "the pin goes, and has seen nothing else");
	expect(eventually(owner(OWNER).live == live), "which frees the page");
}

/* The file is still mapped, and the guest still has what is private. */
static void file_is_closed_meanwhile(const void *unused)
{
	struct conversion conversion;

	make_shared_machine(8);
	require(grab_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	munmap(m->memory, 8 * 4096);
	expect(!close(m->fd), "the file is closed");
	expect(grab_put(0), "the pin goes");
	expect(result_of(&conversion) != -EINPROGRESS, "it ends");
	expect(guest_touches(m, 4) == -EFAULT, "the guest has nothing left");
	kvm_vm_free(m->vm);
}

static void machine_goes_meanwhile(const void *unused)
{
	long live = owner(OWNER).live;
	struct conversion conversion;

	make_shared_machine(8);
	require(pipe_take(page_at(4)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "it waits");
	munmap(m->memory, 8 * 4096);
	close(m->fd);
	kvm_vm_free(m->vm);
	expect(dies(&conversion), "it can be killed");
	expect(eventually(owner(OWNER).live == live + 1),
	       "all pages but the pinned one are free");
	expect(pipe_put(1 + 4), "the pin goes, and has seen nothing else");
	expect(eventually(owner(OWNER).live == live), "which frees the page");
}

static int touch_page(void *page)
{
	return host_can(page, true) ? 0 : 1;
}

/* A child has the mapping, but never what is private. */
static void survives_fork(const void *unused)
{
	struct conversion conversion;
	pid_t child;

	make_shared_machine(8);
	expect(!ends(start(touch_page, page_at(4)), LIMIT_MS),
	       "a child can store to a shared page");
	expect(page_at(4)[4095] == 1, "which its parent finds");
	require(grab_take(page_at(4)), "a page can be pinned");
	expect(!ends(start(touch_page, page_at(4)), LIMIT_MS),
	       "a child can store to a pinned page");
	expect(page_at(4)[4095] == 2, "which its parent finds: there is no copy");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "a conversion waits");
	child = start(touch_page, page_at(4));
	expect(ends(child, LIMIT_MS) == 1 << 8, "a child does not get the page");
	expect(grab_put(0), "the pin goes");
	expect(!result_of(&conversion), "it ends, and succeeds");
	expect(ends(start(touch_page, page_at(4)), LIMIT_MS) == 1 << 8,
	       "a child does not get the page");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
}

static int holds_page(void *argument)
{
	int *fds = argument;
	char byte;

	/* Mapped here, too. */
	READ_ONCE(*page_at(4));
	write(fds[1], "", 1);
	read(fds[2], &byte, 1);
	return host_can(page_at(4), false);
}

/* What a child has mapped is unmapped there as well. */
static void unmaps_children(const void *unused)
{
	int fds[4];
	char byte;
	pid_t child;

	make_shared_machine(8);
	require(!pipe(fds) && !pipe(fds + 2), "there are pipes");
	child = start(holds_page, fds);
	require(read(fds[0], &byte, 1) == 1, "a child maps a page");
	expect(!convert(m, 0, 8, PRIVATE), "it becomes private");
	write(fds[3], "", 1);
	expect(!ends(child, LIMIT_MS), "the child does not have it any more");
}

/* What a process leaves behind that goes on as another program. */
struct legacy {
	struct conversion conversion;
	int pipe[2];
	bool asleep;
};

static int execs(void *argument)
{
	struct legacy *legacy = argument;

	make_shared_machine(8);
	require(pipe_take(page_at(4)), "a page can be pinned");
	memcpy(legacy->pipe, pipe_fds, sizeof(pipe_fds));
	start_conversion(&legacy->conversion, m, 0, 8, PRIVATE);
	legacy->asleep = waits(&legacy->conversion);
	execl("/bin/true", "true", NULL);
	return 1;
}

static void survives_execve(const void *unused)
{
	struct legacy *legacy = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long live = owner(OWNER).live;

	expect(!ends(start(execs, legacy), LIMIT_MS), "it goes on as another program");
	expect(legacy->asleep, "a conversion waits");
	expect(owner(OWNER).live > live, "a page is still owned");
	kill(legacy->conversion.pid, SIGKILL);
	expect(eventually(owner(OWNER).live <= live), "until the pin goes");
}

/* The mapping. */

static void moves(const void *unused)
{
	char *memory;

	make_shared_machine(8);
	require(!convert(m, 4, 4, PRIVATE), "pages become private");
	expect(mremap(m->memory, 8 * 4096, 16 * 4096, MREMAP_MAYMOVE) == MAP_FAILED &&
	       errno == EFAULT, "the mapping cannot grow");
	memory = mremap(m->memory, 8 * 4096, 8 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
			map_file(m->fd, 8));
	require(memory != MAP_FAILED, "the mapping can move where another one was");
	m->memory = memory;
	expect(host_finds(0, 4, 1), "shared pages are there");
	for (int i = 4; i < 8; i++)
		expect(!host_has_page(m, i), "page %d is not", i);
	expect(!convert(m, 0, 8, PRIVATE), "all becomes private");
	for (int i = 0; i < 8; i++)
		expect(!host_has_page(m, i), "page %d is not there", i);
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
	expect(!convert(m, 0, 8, SHARED), "all becomes shared");
	expect(host_finds(0, 8, 1), "and is there for the host");
	expect(guest_touches(m, 0) == -EFAULT, "the slot does not move along");
}

static void drops_mapping(const void *unused)
{
	static const int advice[] = { MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT };

	make_shared_machine(8);
	require(!convert(m, 4, 4, PRIVATE), "pages become private");
	for (size_t i = 0; i < ARRAY_SIZE(advice); i++) {
		madvise(m->memory, 8 * 4096, advice[i]);
		expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
		expect(host_finds(0, 4, 1), "and the host");
		expect(are(m, 0, 4, SHARED) && are(m, 4, 4, PRIVATE), "nothing else happens");
	}
	expect(!madvise(m->memory, 8 * 4096, MADV_DONTNEED), "a mapping can be dropped");
	expect(madvise(m->memory, 4096, MADV_FREE) && errno == EINVAL,
	       "a page cannot be given up that way");
	expect(host_finds(0, 4, 1), "the host finds what was there");
	expect(!madvise(m->memory, 4096, MADV_REMOVE), "but by a hole");
	expect(has_byte(m->memory, 0), "which is zero");
	expect(guest_finds(m, 1, 7, 2), "other pages are as they were");
}

/* Nothing is behind them from where they could come again. */
static void keeps_pages(const void *unused)
{
	make_shared_machine(8);
	require(!convert(m, 4, 4, PRIVATE), "pages become private");
	for (int i = 0; i < 2; i++) {
		expect(!posix_fadvise(m->fd, 0, 0, POSIX_FADV_DONTNEED), "nobody needs them");
		expect(set("/proc/sys/vm/drop_caches", 3), "caches are dropped");
		expect(fsync(m->fd) && errno == EINVAL, "there is nowhere to write to");
		expect(msync(m->memory, 8 * 4096, MS_SYNC) && errno == EINVAL,
		       "not from a mapping, either");
		expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
		expect(host_finds(0, 4, 1), "and the host");
		madvise(m->memory, 8 * 4096, MADV_DONTNEED);
	}
}

static void populates(const void *unused)
{
	make_machine(m, 8, MMAP | INIT_SHARED);
	require(!convert(m, 4, 4, PRIVATE), "pages become private");
	expect(!madvise(m->memory, 4 * 4096, MADV_POPULATE_WRITE), "shared pages can be mapped");
	expect(madvise(m->memory, 8 * 4096, MADV_POPULATE_WRITE) && errno == EFAULT,
	       "private ones cannot");
	expect(madvise(page_at(4), 4096, MADV_POPULATE_READ) && errno == EFAULT,
	       "not even to be read");
}

static void locks(const void *unused)
{
	make_shared_machine(8);
	expect(!mlock(m->memory, 8 * 4096), "pages can be locked");
	expect(!convert(m, 0, 8, PRIVATE), "and become private");
	expect(are(m, 0, 4, PRIVATE), "really");
	expect(!convert(m, 0, 8, SHARED), "they become shared");
	expect(host_finds(0, 8, 1), "with what was there");
	expect(!munlock(m->memory, 8 * 4096), "and can be unlocked");
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static void does_not_collapse(const void *argument)
{
	bool some_private = argument;

	make_shared_machine(2 * SOME);
	if (some_private)
		require(!convert(m, 100, SOME, PRIVATE), "pages become private");
	for (int i = 0; i < 2; i++)
		expect(madvise(m->memory, 2 * SOME * 4096, MADV_COLLAPSE) &&
		       errno == EINVAL, "pages do not become a huge one (%d)", errno);
	expect(guest_finds(m, 0, 2 * SOME, 1), "the guest finds what was there");
	expect(!convert(m, 0, 2 * SOME, PRIVATE), "all becomes private");
	expect(!convert(m, 0, 2 * SOME, SHARED), "and shared");
	expect(host_finds(0, 2 * SOME, 1), "with what was there");
}

static void has_no_userfaultfd(const void *unused)
{
	static const __u64 modes[] = {
		UFFDIO_REGISTER_MODE_MISSING,
		UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MINOR,
	};
	struct uffdio_api api = {
		.api = UFFD_API,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	require(fd >= 0 && !ioctl(fd, UFFDIO_API, &api), "there is userfaultfd");
	make_shared_machine(8);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct uffdio_register request = {
			.range = { (unsigned long)m->memory, 8 * 4096 },
			.mode = modes[i],
		};

		expect(ioctl(fd, UFFDIO_REGISTER, &request) && errno == EINVAL,
		       "it cannot have mode %zu", i);
	}
}

/* Write protection that asks nobody is a matter of page tables, and of no other. */
static void is_write_protected(const void *unused)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register request = {
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	require(fd >= 0 && !ioctl(fd, UFFDIO_API, &api), "there is userfaultfd");
	make_shared_machine(8);
	request.range.start = (unsigned long)m->memory;
	request.range.len = 8 * 4096;
	if (ioctl(fd, UFFDIO_REGISTER, &request)) {
		expect(errno == EINVAL, "it is refused");
		return;
	}
	protect.range = request.range;
	expect(!ioctl(fd, UFFDIO_WRITEPROTECT, &protect), "pages can be protected");
	expect(!convert(m, 0, 8, PRIVATE), "they become private");
	expect(!host_can(m->memory, false) && !host_can(m->memory, true),
	       "and are not there");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
	expect(!convert(m, 0, 8, SHARED), "they become shared");
	expect(host_finds(0, 8, 1) && host_can(m->memory, true), "and can be used");
}

static void is_not_written_or_read(const void *unused)
{
	char buffer[64];

	make_shared_machine(2);
	expect(pread(m->fd, buffer, 64, 0) < 0 && pwrite(m->fd, buffer, 64, 0) < 0,
	       "shared pages are mapped, and nothing else");
	expect(splice(m->fd, NULL, open_test_device(), NULL, 64, 0) < 0, "nor spliced");
}

/* Control groups. */

#define CGROUP	"/sys/fs/cgroup/guest_memfd"

static long cgroup_stat(const char *name)
{
	char found[64];
	long value;
	FILE *file = fopen(CGROUP "/memory.stat", "r");

	while (file && fscanf(file, "%63s %ld", found, &value) == 2) {
		if (!strcmp(found, name)) {
			fclose(file);
			return value;
		}
	}
	return -1;
}

/* As exactly as statistics are. */
static bool charged_are(long pages)
{
	long off = cgroup_stat("file") / 4096 - pages;

	return off > -160 && off < 160;
}

/* The charge itself, by a counter that is no more exact. */
static bool counted_are(long base, long pages)
{
	long off = (get(CGROUP "/memory.current") - base) / 4096 - pages;

	return off > -512 && off < 512;
}

static int uses_pages(void *unused)
{
	const size_t pages = 2048;
	struct conversion conversion;
	long base;

	if (!put_string(CGROUP "/cgroup.procs", "0"))
		return KSFT_SKIP;
	make_bare_machine(m, pages, MMAP | INIT_SHARED);
	expect(charged_are(0), "nothing is charged for nothing");
	base = get(CGROUP "/memory.current");
	fill_pages(m->memory, pages / 2, 1, 1);
	expect(charged_are(pages / 2), "shared pages are charged");
	fallocate(m->fd, FALLOC_FL_KEEP_SIZE, 0, pages * 4096);
	expect(charged_are(pages) && counted_are(base, pages), "what is allocated is charged");
	expect(!convert(m, 0, pages, PRIVATE), "they become private");
	expect(charged_are(pages), "private pages are charged");
	expect(!punch(0, pages / 2), "pages are punched out");
	expect(eventually(charged_are(pages / 2) && counted_are(base, pages / 2)),
	       "and not charged any more");
	expect(!convert(m, 0, pages, SHARED), "others become shared");
	expect(charged_are(pages / 2), "and are charged");

	require(grab_take(page_at(pages - 1)), "a page can be pinned");
	start_conversion(&conversion, m, 0, pages, PRIVATE);
	expect(waits(&conversion), "a conversion waits");
	expect(charged_are(pages / 2), "what is waited for is charged once");
	expect(dies(&conversion), "it can be killed");
	expect(charged_are(pages / 2), "which changes nothing");
	expect(grab_put(0), "the pin goes");
	for (int i = 0; i < 8; i++)
		expect(!convert(m, 0, pages, PRIVATE) && !convert(m, 0, pages, SHARED),
		       "pages can be converted, round %d", i);
	expect(charged_are(pages / 2), "they are charged as before");

	munmap(m->memory, pages * 4096);
	close(m->fd);
	kvm_vm_free(m->vm);
	expect(eventually(charged_are(0) && counted_are(base, 0)),
	       "nothing is charged in the end");
	return failed;
}

static void is_charged(const void *unused)
{
	int status;

	rmdir(CGROUP);
	require(!mkdir(CGROUP, 0755), "there are control groups");
	status = ends(start(uses_pages, NULL), 2 * LIMIT_MS);
	expect(!status, "it is charged for what it uses");
	/* Nothing that was charged keeps it. */
	expect(eventually(!rmdir(CGROUP)), "the group can be removed");
	expect(cgroup_stat("file") < 0, "it is gone");
}

/* A limit, and a range that must not need more than it has. */
static int converts_within_limit(void *unused)
{
	char limit[32];

	if (!put_string(CGROUP "/cgroup.procs", "0"))
		return KSFT_SKIP;
	make_bare_machine(m, 1024, MMAP | INIT_SHARED);
	fill_pages(m->memory, 1024, 1, 1);
	snprintf(limit, sizeof(limit), "%ld", get(CGROUP "/memory.current") + (256 << 10));
	expect(put_string(CGROUP "/memory.max", limit), "there is a limit");
	expect(!convert(m, 0, 1024, PRIVATE), "they become private");
	expect(!convert(m, 0, 1024, SHARED), "and shared");
	expect(host_finds(0, 1024, 1), "with what was there");
	return failed;
}

static void is_limited(const void *unused)
{
	rmdir(CGROUP);
	require(!mkdir(CGROUP, 0755), "there are control groups");
	expect(!ends(start(converts_within_limit, NULL), 2 * LIMIT_MS),
	       "it needs no more than it has");
	expect(eventually(!rmdir(CGROUP)), "the group can be removed");
}

/* The list of claims. */

static void claims_of_conversions(void)
{
	static const size_t sizes[] = { ONE, SOME, MANY };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct scenario *plain = calloc(1, sizeof(*plain));

		plain->pages = sizes[i];
		claim(converts, plain, "%zu pages are converted", sizes[i]);
		for (size_t j = 0; j < ARRAY_SIZE(pins); j++) {
			struct scenario *scenario = calloc(1, sizeof(*scenario));

			if (is_on_disk(pins[j]) && access(disk, R_OK))
				continue;
			scenario->pages = sizes[i];
			scenario->pin = pins[j];
			claim(converts, scenario, "%zu pages wait for %s", sizes[i],
			      pins[j]->name);
			if (sizes[i] == MANY && pins[j] != &pin_by_grab)
				continue;
			claim(dies_waiting, scenario, "%zu pages are rolled back, %s",
			      sizes[i], pins[j]->name);
		}
	}
	for (size_t j = 0; j < ARRAY_SIZE(pins); j++) {
		if (is_on_disk(pins[j]) && access(disk, R_OK))
			continue;
		claim(no_wait_fails, pins[j], "no-wait fails, %s", pins[j]->name);
	}
	claim(new_pages_are_converted, NULL, "new pages of another processor");
	claim(new_pages_are_converted, "", "new pages of another processor, no-wait");
	claim(new_page_meanwhile, NULL, "a new page of another processor meanwhile");
	claim(repeats, NULL, "what is done needs no wait");
	claim(ring_is_closed, NULL, "a ring that is closed is waited for");
	claim(several_pins, NULL, "all pins are waited for");
	claim(no_wait_succeeds, NULL, "no-wait succeeds");
	claim(names_the_first, NULL, "no-wait names the first busy page");
	claim(mixed_range_no_wait, NULL, "a mixed range is rolled back, no-wait");
	claim(mixed_range_killed, NULL, "a mixed range is rolled back, killed");
}

static void claims_of_others(void)
{
	claim(two_wait, NULL, "two conversions wait");
	claim(no_wait_meanwhile, NULL, "no-wait while another one waits");
	claim(survives_signals, NULL, "signals do not end a wait");
	claim(one_of_two_dies, NULL, "the first of two dies");
	claim(one_of_two_dies, "", "the second of two dies");
	claim(back_while_waiting, NULL, "a conversion back meanwhile");
	claim(other_range_meanwhile, NULL, "a conversion of other pages meanwhile");
	claim(slot_is_deleted, NULL, "the memslot is deleted meanwhile");
	claim(slot_is_replaced, NULL, "the memslot is replaced meanwhile");
	claim(slot_does_not_move, NULL, "the memslot does not move meanwhile");
	claim(spans_slots, NULL, "a range of two memslots");
	claim(prefaults, NULL, "prefault");
	claim(holes_are_zero, NULL, "holes are zero");
	claim(hole_leaves_pin, &pin_by_grab, "a hole leaves the pin, GUP");
	claim(hole_leaves_pin, &pin_by_pipe, "a hole leaves the pin, vmsplice");
	claim(hole_meanwhile, NULL, "a hole meanwhile");
	claim(hole_meanwhile, "", "a hole meanwhile, killed");
	claim(allocates, NULL, "fallocate");
	claim(is_overtaken, NULL, "fallocate of very many pages");
	claim(size_is_fixed, NULL, "truncation");
	claim(file_is_closed, &pin_by_grab, "close with a live pin, GUP");
	claim(file_is_closed, &pin_by_pipe, "close with a live pin, vmsplice");
	claim(file_is_closed, &pin_by_gup_test, "close with a live pin, gup_test");
	claim(file_is_closed_meanwhile, NULL, "close meanwhile");
	claim(machine_goes_meanwhile, NULL, "the machine goes meanwhile");
	claim(survives_fork, NULL, "fork");
	claim(unmaps_children, NULL, "fork, and a child has the page mapped");
	claim(survives_execve, NULL, "execve");
	claim(moves, NULL, "mremap");
	claim(drops_mapping, NULL, "madvise, to drop the mapping");
	claim(keeps_pages, NULL, "fadvise, sync and drop_caches");
	claim(populates, NULL, "madvise, to populate");
	claim(locks, NULL, "mlock");
	claim(does_not_collapse, NULL, "madvise, to collapse");
	claim(does_not_collapse, "", "madvise, to collapse what is partly private");
	claim(has_no_userfaultfd, NULL, "userfaultfd");
	claim(is_write_protected, NULL, "userfaultfd, asynchronous write protection");
	claim(is_not_written_or_read, NULL, "no read, no write");
	claim(is_charged, NULL, "a control group is charged");
	claim(is_limited, NULL, "a control group at its limit");
}

int main(int argc, char **argv)
{
	disk = argc > 1 ? argv[1] : "/dev/vda";
	if (argc > 2)
		only = argv[2];

	ksft_print_header();
	need_machines();
	claim(flags_are_reported, NULL, "flags are reported");
	claim(mapping_is_shared, NULL, "mappings are shared");
	claim(fault_is_bounded, NULL, "faults beyond the end");
	claim(private_faults, NULL, "private pages are not mapped");
	claim(starts_shared, NULL, "pages start shared");
	claim(new_pages_are_zero, NULL, "new pages are zero");
	claims_of_conversions();
	claims_of_others();
	check_claims(10 * LIMIT_MS);
}
