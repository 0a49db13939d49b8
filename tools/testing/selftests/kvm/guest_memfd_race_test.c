// SPDX-License-Identifier: GPL-2.0
/*
 * guest_memfd_race_test [CONVERSIONS [TEXT]]
 *
 * Guest, host and conversions of guest_memfd at the same time, on as many
 * processors as there are.  For this many conversions in the main loop, a
 * thousand if not said otherwise; the rest follows from that.  With TEXT, only
 * what has it in its name.
 */
#include <linux/falloc.h>
#include <pthread.h>
#include "guest_memfd.h"

#define PAGES	8

static struct machine machine;
static struct machine *const m = &machine;
static unsigned long conversions = 1000;
static bool over;

static char *page_at(size_t page)
{
	return m->memory + page * 4096;
}

static pthread_t start_thread(void *(*function)(void *), void *argument)
{
	pthread_t thread;

	require(!pthread_create(&thread, NULL, function, argument), "a thread starts");
	return thread;
}

/* Not the same each time, and not long. */
static void linger(unsigned int *random)
{
	int turns = rand_r(random) % 3000;

	while (turns--)
		barrier();
	if (rand_r(random) % 4 == 0)
		sched_yield();
}

/* Often long enough for the others to do what they should not. */
static void hold_on(unsigned int *random)
{
	int turns = rand_r(random) % 300;

	while (turns--)
		sched_yield();
}

/* A guest that goes on, whatever happens to its memory. */
struct runner {
	int vcpu;
	unsigned long faults;
	uint64_t result;
	pthread_t thread;
};

static void *run_vcpu(void *argument)
{
	struct runner *runner = argument;
	struct kvm_vcpu *vcpu = m->vcpus[runner->vcpu];

	while (__vcpu_run(vcpu)) {
		if (errno == EFAULT && vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
			runner->faults++;
		} else if (errno != EINTR && errno != EAGAIN) {
			print_exit(vcpu, errno);
			expect(false, "the guest runs");
			return NULL;
		}
	}
	expect(says_result(vcpu, &runner->result), "the guest says what it found");
	return NULL;
}

static void start_runner(struct runner *runner, int vcpu, struct order order)
{
	runner->vcpu = vcpu;
	runner->faults = 0;
	runner->result = -1;
	m->orders[vcpu] = order;
	runner->thread = start_thread(run_vcpu, runner);
}

static void stop_runner(struct runner *runner)
{
	WRITE_ONCE(m->orders[runner->vcpu].stop, 1);
	pthread_join(runner->thread, NULL);
}

/* The guest has done something since. */
static void wait_for_guest(int vcpu)
{
	uint64_t rounds = READ_ONCE(m->orders[vcpu].rounds);

	while (READ_ONCE(m->orders[vcpu].rounds) < rounds + 2)
		sched_yield();
}

/* The main loop: each page has a number of the guest's, and one of the host's. */

static uint64_t *host_number(size_t page)
{
	return (uint64_t *)page_at(page) + 1;
}

static void check_numbers(size_t first, size_t pages, uint64_t *numbers)
{
	for (size_t i = first; i < first + pages; i++) {
		expect(*host_number(i) == numbers[i], "page %zu has %lu of the host's (%lu)",
		       i, numbers[i], *host_number(i));
		*host_number(i) = ++numbers[i];
	}
}

static void convert_in_a_loop(unsigned long count)
{
	uint64_t numbers[PAGES] = { };

	for (unsigned long i = 0; i < count && !failed; i += 2) {
		size_t first = i / 2 % PAGES;
		size_t pages = 1 + i / 16 % (PAGES - first);
		int err = convert(m, first, pages, PRIVATE);

		expect(!err, "conversion %lu of %zu pages succeeds (%d)", i, pages, err);
		if (i % 64 == 0) {
			expect(!can_be_grabbed(page_at(first), true), "and is one");
			wait_for_guest(0);
		}
		err = convert(m, first, pages, SHARED);
		expect(!err, "conversion %lu of %zu pages succeeds (%d)", i + 1, pages, err);
		if (!err)
			check_numbers(first, pages, numbers);
	}
}

static struct order count_order(size_t first, size_t pages)
{
	return (struct order) {
		.kind = ORDER_COUNT, .first = first, .pages = pages,
	};
}

static void guest_writes(const void *unused)
{
	struct runner runner;

	make_machine(m, PAGES, MMAP | INIT_SHARED);
	start_runner(&runner, 0, count_order(0, PAGES));
	convert_in_a_loop(conversions);
	stop_runner(&runner);
	expect(runner.result == 0, "the guest finds page %ld as it left it",
	       runner.result - 1);
	expect(m->orders[0].rounds > 2, "it was there");
	ksft_print_msg("%lu conversions, %lu rounds of the guest, %lu faults\n",
		       conversions, m->orders[0].rounds, runner.faults);
}

static void two_guests_write(const void *unused)
{
	struct runner runners[2];

	make_vcpus(m, PAGES, 2);
	create_file(m, PAGES, MMAP | INIT_SHARED);
	require(!set_slot(m, SLOT, GPA, PAGES, m->memory, 0), "the file backs a memslot");
	for (int i = 0; i < 2; i++)
		start_runner(&runners[i], i, count_order(i * PAGES / 2, PAGES / 2));
	convert_in_a_loop(conversions / 4);
	for (int i = 0; i < 2; i++) {
		stop_runner(&runners[i]);
		expect(runners[i].result == 0, "processor %d finds its pages as it left them", i);
	}
}

static void *prefault_pages(void *unused)
{
	struct kvm_pre_fault_memory range;

	while (!READ_ONCE(over)) {
		range.gpa = GPA;
		range.size = PAGES * 4096;
		__vcpu_ioctl(m->vcpus[1], KVM_PRE_FAULT_MEMORY, &range);
	}
	return NULL;
}

static void prefault_meanwhile(const void *unused)
{
	struct runner runner;
	pthread_t thread;

	make_vcpus(m, PAGES, 2);
	create_file(m, PAGES, MMAP | INIT_SHARED);
	require(!set_slot(m, SLOT, GPA, PAGES, m->memory, 0), "the file backs a memslot");
	start_runner(&runner, 0, count_order(0, PAGES));
	thread = start_thread(prefault_pages, NULL);
	convert_in_a_loop(conversions / 4);
	WRITE_ONCE(over, true);
	pthread_join(thread, NULL);
	stop_runner(&runner);
	expect(runner.result == 0, "the guest finds its pages as it left them");
}

/*
 * GUP cannot get a private page: somebody stores to the page through every pin
 * that he gets, as long as there is time.  What the guest stored to the page
 * while it was private stays there.
 */

#define INTRUDER	0xee

struct intruder {
	const char *name;
	bool (*intrude)(void *page);
};

static unsigned long intruded;
static unsigned long repelled;

static bool intrude_by_grab(void *page)
{
	static unsigned int random = 6;
	struct test_folio_owner_grab grab = {
		.addr = (unsigned long)page,
		.nr = 1,
		.write = 1,
	};
	struct test_folio_owner_put put = {
		.how = TEST_FOLIO_OWNER_FOLIO_PUT,
		.refs = 1,
	};

	if (ioctl(test_device, TEST_FOLIO_OWNER_GRAB, &grab))
		return false;
	hold_on(&random);
	ioctl(test_device, TEST_FOLIO_OWNER_FILL, INTRUDER);
	ioctl(test_device, TEST_FOLIO_OWNER_PUT, &put);
	return true;
}

static char intruders_page[4096] __aligned(4096);

static int own_memory;

static bool intrude_by_remote_access(void *page)
{
	return pwrite(own_memory, intruders_page, 4096, (off_t)page) == 4096;
}

static int ramdisk;

static bool intrude_by_direct_read(void *page)
{
	return pread(ramdisk, page, 4096, 0) == 4096;
}

static const struct intruder intruders[] = {
	{ "get_user_pages_fast", intrude_by_grab },
	{ "access through /proc", intrude_by_remote_access },
	{ "O_DIRECT reads", intrude_by_direct_read },
};

static void *intrude(void *argument)
{
	const struct intruder *intruder = argument;
	unsigned int random = 1;

	while (!READ_ONCE(over)) {
		if (intruder->intrude(page_at(rand_r(&random) % PAGES)))
			WRITE_ONCE(intruded, intruded + 1);
		else
			WRITE_ONCE(repelled, repelled + 1);
	}
	return NULL;
}

static unsigned long rounds(void)
{
	return conversions / 2 + 8;
}

/* Every now and then, until it has happened at all: it is not to be starved. */
static void wait_for_more(unsigned long round, unsigned long *count)
{
	unsigned long before = READ_ONCE(*count);

	while (round % 8 == 0 && READ_ONCE(*count) == before)
		sched_yield();
}

static void make_intruders_things(void)
{
	memset(intruders_page, INTRUDER, 4096);
	test_device = open_test_device();
	own_memory = open("/proc/self/mem", O_RDWR);
	ramdisk = open("/dev/ram0", O_RDWR | O_DIRECT);
	require(ramdisk >= 0, "there is a ramdisk");
	require(pwrite(ramdisk, intruders_page, 4096, 0) == 4096, "it can be used");
}

static void gup_gets_nothing(const void *argument)
{
	unsigned int random = 2;
	unsigned long round = 0;
	pthread_t thread;

	make_intruders_things();
	make_machine(m, PAGES, MMAP | INIT_SHARED);
	thread = start_thread(intrude, (void *)argument);
	for (; round < rounds() && !failed; round++) {
		int seed = round % 100;
		int err = convert(m, 0, PAGES, PRIVATE);

		expect(!err, "conversion succeeds (%d)", err);
		expect(!guest_fills(m, 0, PAGES, 1, seed), "the guest stores");
		for (int i = 0; i < 2; i++) {
			expect(guest_finds(m, 0, PAGES, seed),
			       "the guest finds what it stored, round %lu", round);
			linger(&random);
		}
		wait_for_more(round, &repelled);
		expect(guest_finds(m, 0, PAGES, seed),
		       "the guest still finds what it stored, round %lu", round);
		expect(!convert(m, 0, PAGES, SHARED), "conversion succeeds");
		wait_for_more(round, &intruded);
		linger(&random);
	}
	WRITE_ONCE(over, true);
	pthread_join(thread, NULL);
	ksft_print_msg("%lu rounds: %lu pins, %lu in vain\n", round, intruded, repelled);
	expect(intruded && repelled, "both happened");
}

/*
 * A guest cannot get a page that the host still holds.  Shared, the guest has
 * other memory, so that it stores to the page of the file only while that is
 * private.  The host fills the page and puts it into a pipe while it becomes
 * private: if that succeeds, nothing else may come out of the pipe.
 */

#define GUESTS_BYTE	0x47
#define HOSTS_BYTE	0x48

static unsigned long go, gone;
static int conversion_result;

static void *convert_when_told(void *unused)
{
	unsigned int random = 3;

	while (!READ_ONCE(over)) {
		if (__atomic_load_n(&go, __ATOMIC_ACQUIRE) == gone) {
			sched_yield();
			continue;
		}
		linger(&random);
		conversion_result = convert(m, 0, 1, PRIVATE);
		__atomic_store_n(&gone, gone + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool has_only_byte(const char *page, char byte)
{
	for (int i = 0; i < 4096; i++)
		if (page[i] != byte)
			return false;
	return true;
}

/* Whether the host got hold of the page. */
static bool put_into_pipe(void)
{
	struct iovec vec = { page_at(0), 4096 };

	return vmsplice(pipe_fds[1], &vec, 1, 0) == 4096;
}

static void check_pipe(void)
{
	char copy[4096];

	/* Too early, if so: the guest shows it. */
	if (__atomic_load_n(&gone, __ATOMIC_ACQUIRE) == go)
		wait_for_guest(0);
	expect(read(pipe_fds[0], copy, 4096) == 4096, "the page comes out of the pipe");
	expect(has_only_byte(copy, HOSTS_BYTE), "and nobody else has stored to it");
}

static void wait_for_conversion(void)
{
	while (__atomic_load_n(&gone, __ATOMIC_ACQUIRE) != go)
		sched_yield();
}

static void guest_gets_nothing(const void *unused)
{
	struct order order = {
		.kind = ORDER_STORE, .pages = 1, .byte = GUESTS_BYTE,
	};
	char *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int random = 4;
	struct runner runner;
	unsigned long round;
	pthread_t thread;

	make_vcpus(m, 1, 1);
	create_file(m, 1, MMAP | INIT_SHARED);
	require(!set_slot(m, SLOT, GPA, 1, other, 0), "the file backs a memslot");
	require(!pipe(pipe_fds), "there are pipes");
	start_runner(&runner, 0, order);
	thread = start_thread(convert_when_told, NULL);
	for (round = 0; round < rounds() && !failed; round++) {
		bool held = false, race = round % 8 > 1;

		memset(page_at(0), HOSTS_BYTE, 4096);
		/* In most rounds there is a race; in some, one is the first. */
		if (round % 8 == 0)
			held = put_into_pipe();
		__atomic_store_n(&go, go + 1, __ATOMIC_RELEASE);
		if (round % 8 == 1)
			wait_for_conversion();
		linger(&random);
		if (round % 8)
			held = put_into_pipe();
		expect(!held || round % 8 != 1, "what is private does not go there");
		if (held) {
			hold_on(&random);
			check_pipe();
			intruded += race;
		} else {
			repelled += race;
		}
		wait_for_conversion();
		expect(!conversion_result, "conversion succeeds (%d)", conversion_result);
		wait_for_guest(0);
		expect(!convert(m, 0, 1, SHARED), "conversion succeeds");
		expect(has_only_byte(page_at(0), GUESTS_BYTE), "the guest has been there");
	}
	WRITE_ONCE(over, true);
	pthread_join(thread, NULL);
	stop_runner(&runner);
	ksft_print_msg("%lu rounds, of the races: held in %lu, not in %lu\n", round,
		       intruded, repelled);
}

/* Everything at once. */

static void *convert_at_random(void *seed)
{
	unsigned int random = (unsigned long)seed;

	while (!READ_ONCE(over)) {
		size_t first = rand_r(&random) % PAGES;
		size_t pages = 1 + rand_r(&random) % (PAGES - first);
		int err;

		switch (rand_r(&random) % 3) {
		case 0:
			err = convert(m, first, pages, PRIVATE);
			break;
		case 1:
			err = convert_no_wait(m, first, pages, NULL);
			break;
		default:
			err = convert(m, first, pages, SHARED);
		}
		expect(!err || err == -EAGAIN, "conversion succeeds (%d)", err);
	}
	return NULL;
}

static void *punch_at_random(void *unused)
{
	unsigned int random = 5;

	while (!READ_ONCE(over)) {
		size_t first = rand_r(&random) % PAGES;

		expect(!fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  first * 4096, 4096), "a hole is punched");
		host_can(page_at(rand_r(&random) % PAGES), true);
		linger(&random);
	}
	return NULL;
}

static void *store_for_ever(void *unused)
{
	struct kvm_vcpu *vcpu = m->vcpus[0];
	struct order order = {
		.kind = ORDER_FILL, .pages = PAGES, .step = 1,
	};

	m->orders[0] = order;
	while (!READ_ONCE(over)) {
		if (__vcpu_run(vcpu) && errno != EFAULT && errno != EAGAIN && errno != EINTR)
			expect(false, "the guest runs: %s", strerror(errno));
	}
	return NULL;
}

static void all_at_once(const void *unused)
{
	pthread_t threads[5];

	make_intruders_things();
	make_machine(m, PAGES, MMAP | INIT_SHARED);
	threads[0] = start_thread(convert_at_random, (void *)1);
	threads[1] = start_thread(convert_at_random, (void *)2);
	threads[2] = start_thread(punch_at_random, NULL);
	threads[3] = start_thread(store_for_ever, NULL);
	threads[4] = start_thread(intrude, (void *)&intruders[0]);
	for (unsigned int i = 0; i < conversions / 200 && !failed; i++)
		sleep_ms(500);
	WRITE_ONCE(over, true);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	vcpu_regs_set(m->vcpus[0], &m->start[0]);
	expect(!convert(m, 0, PAGES, PRIVATE), "all becomes private");
	expect(are(m, 0, PAGES, PRIVATE), "and is");
	expect(!guest_fills(m, 0, PAGES, 1, 1), "the guest stores");
	expect(!convert(m, 0, PAGES, SHARED), "all becomes shared");
	expect(are(m, 0, PAGES, SHARED), "and is");
	expect(first_wrong(m->memory, PAGES, 1, 1, -1, 0) == PAGES,
	       "the host finds what the guest stored");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		conversions = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		only = argv[2];
	if (conversions < 10) {
		fprintf(stderr, "usage: guest_memfd_race_test [CONVERSIONS [TEXT]]\n");
		return 2;
	}

	ksft_print_header();
	need_machines();
	claim(guest_writes, NULL, "a guest writes while pages are converted");
	claim(two_guests_write, NULL, "two processors write while pages are converted");
	claim(prefault_meanwhile, NULL, "pages are prefaulted while they are converted");
	for (size_t i = 0; i < ARRAY_SIZE(intruders); i++)
		claim(gup_gets_nothing, &intruders[i], "no private page for %s",
		      intruders[i].name);
	claim(guest_gets_nothing, NULL, "no page for the guest that the host holds");
	claim(all_at_once, NULL, "holes, faults, pins and conversions");
	check_claims(10 * LIMIT_MS + conversions * 20);
}
