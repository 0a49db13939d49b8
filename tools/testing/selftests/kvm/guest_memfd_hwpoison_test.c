// SPDX-License-Identifier: GPL-2.0
/*
 * Memory failure on shared and on private pages of guest_memfd: who touches the
 * page hears of it, conversion does not hide it, and a hole makes room for a
 * new one.
 *
 * Leaves poisoned memory behind: for a machine that is thrown away.
 */
#include <linux/falloc.h>
#include <linux/kernel-page-flags.h>
#include "guest_memfd.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define CORRUPT		"/sys/kernel/debug/hwpoison/corrupt-pfn"
#define UNPOISON	"/sys/kernel/debug/hwpoison/unpoison-pfn"
#define SOFT_OFFLINE	"/sys/devices/system/memory/soft_offline_page"
#define BAD		4

static struct machine machine;
static struct machine *const m = &machine;
static unsigned long bad_pfn;

static char *page_at(size_t page)
{
	return m->memory + page * 4096;
}

static void make_shared_machine(void)
{
	make_machine(m, 8, MMAP | INIT_SHARED);
	fill_pages(m->memory, 8, 1, 1);
	bad_pfn = pfn_of(page_at(BAD));
	require(bad_pfn, "the page has a number");
}

static bool is_poisoned(void)
{
	return page_flags(bad_pfn) & BIT_ULL(KPF_HWPOISON);
}

static bool put_number(const char *path, unsigned long number)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%lx", number);
	return put_string(path, text);
}

/* Nothing recovers from that but a hole, which it does not know. */
static bool corrupt(void)
{
	put_number(CORRUPT, bad_pfn);
	return is_poisoned();
}

/* Who does it to himself hears of it. */
static bool corrupt_by_madvise(void)
{
	catch_bus();
	WRITE_ONCE(may_fault, true);
	if (!sigsetjmp(no_access, 1))
		madvise(page_at(BAD), 4096, MADV_HWPOISON);
	WRITE_ONCE(may_fault, false);
	return is_poisoned();
}

static bool is_bad_for_host(void)
{
	return !host_can(page_at(BAD), false) && bus_code == BUS_MCEERR_AR;
}

/* The host is told on behalf of a guest that shares the page. */
static bool is_bad_for_guest(void)
{
	int err;

	catch_bus();
	WRITE_ONCE(may_fault, true);
	if (sigsetjmp(no_access, 1)) {
		WRITE_ONCE(may_fault, false);
		vcpu_regs_set(m->vcpus[0], &m->start[0]);
		return bus_code == BUS_MCEERR_AR;
	}
	err = guest_touches(m, BAD);
	WRITE_ONCE(may_fault, false);
	return err == -EHWPOISON;
}

static bool others_are_fine(void)
{
	return guest_finds(m, 0, BAD, 1) && guest_finds(m, BAD + 1, 7 - BAD, BAD + 2);
}

static int punch(void)
{
	return fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 BAD * 4096, 4096);
}

static void recovers(void)
{
	expect(!punch(), "a hole makes room for another page");
	expect(guest_finds_but(m, BAD, 1, 1, 0, -1, 0) == 1, "which is zero");
	expect(others_are_fine(), "the others are as they were");
	expect(!convert(m, 0, 8, PRIVATE), "all can become private");
	expect(are(m, 0, 8, PRIVATE), "and is");
	expect(!convert(m, 0, 8, SHARED), "all can become shared");
	expect(are(m, 0, 8, SHARED), "and is");
	expect(pfn_of(page_at(BAD)) != bad_pfn, "the bad page is not used again");
}

/* Who wants to unload the module does not wait for what never comes back. */
static void leaves_nothing(long live)
{
	forget_machine(m);
	expect(eventually(owner(OWNER).live == live), "no page stays behind, owned");
	expect(is_poisoned(), "nor is the bad one used again");
}

static void is_not_converted(void)
{
	struct kvm_memory_attributes request;

	set_attributes(&request, 0, 8, PRIVATE, 0);
	expect(raw_ioctl(m->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &request) == -EHWPOISON,
	       "it does not become private");
	expect(request.address == GPA + BAD * 4096, "the bad page is named");
	expect(are(m, 0, BAD, SHARED) && are(m, BAD + 1, 7 - BAD, SHARED),
	       "the others are still shared");
	expect(others_are_fine(), "and as they were");
}

static void shared_page_fails(const void *by_madvise)
{
	long live = owner(OWNER).live;

	make_shared_machine();
	require(by_madvise ? corrupt_by_madvise() : corrupt(), "a page fails");
	expect(is_bad_for_host(), "the host hears of it");
	expect(!can_be_grabbed(page_at(BAD), false), "it cannot be pinned");
	expect(is_bad_for_guest(), "the guest hears of it");
	is_not_converted();
	expect(is_bad_for_host(), "it is still bad");
	recovers();
	leaves_nothing(live);
}

static void private_page_fails(const void *unused)
{
	struct kvm_run *run;

	make_shared_machine();
	run = m->vcpus[0]->run;
	require(!convert(m, 0, 8, PRIVATE), "pages become private");
	expect(madvise(page_at(BAD), 4096, MADV_HWPOISON), "the host cannot poison them");
	expect(guest_finds(m, 0, 8, 1), "the guest has them");
	require(corrupt(), "a page fails");
	expect(guest_touches(m, BAD) == -EHWPOISON, "the guest hears of it");
	expect(run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	       run->memory_fault.gpa == GPA + BAD * 4096, "and where it is");
	expect(others_are_fine(), "the others are as they were");
	expect(!convert(m, 0, 8, SHARED), "all can become shared");
	expect(is_bad_for_host(), "the host hears of it");
	is_not_converted();
	recovers();
}

static void private_page_is_replaced(const void *unused)
{
	long live = owner(OWNER).live;

	make_shared_machine();
	require(!convert(m, 0, 8, PRIVATE), "pages become private");
	require(corrupt(), "a page fails");
	recovers();
	leaves_nothing(live);
}

static void pinned_page_fails(const void *unused)
{
	make_shared_machine();
	require(grab_take(page_at(BAD)), "a page can be pinned");
	require(corrupt(), "it fails");
	expect(is_bad_for_host(), "the host hears of it");
	is_not_converted();
	expect(grab_put(0), "the pin goes");
	is_not_converted();
	recovers();
}

static void fails_meanwhile(const void *unused)
{
	struct conversion conversion;
	long result;

	make_shared_machine();
	require(grab_take(page_at(BAD)), "a page can be pinned");
	start_conversion(&conversion, m, 0, 8, PRIVATE);
	expect(waits(&conversion), "a conversion waits");
	expect(corrupt(), "the page fails");
	expect(grab_put(0), "the pin goes");
	result = result_of(&conversion);
	expect(!result || result == -EHWPOISON, "it ends (%ld)", result);
	if (result)
		expect(is_bad_for_host(), "the host hears of it");
	expect(is_bad_for_guest(), "the guest hears of it");
	if (!result)
		expect(!convert(m, 0, 8, SHARED), "all can become shared");
	is_not_converted();
	recovers();
}

/* It is its holder's, then its owner's, and then nobody's. */
static void removed_page_fails(const void *by_close)
{
	long live = owner(OWNER).live;

	make_shared_machine();
	require(grab_take(page_at(BAD)), "a page can be pinned");
	if (by_close)
		forget_machine(m);
	else
		expect(!punch(), "it is punched out");
	require(corrupt(), "it fails");
	expect(!put_number(UNPOISON, bad_pfn) && is_poisoned(),
	       "it is not brought back while it is pinned");
	expect(grab_write(PATTERN), "who has it pinned has it");
	expect(eventually(owner(OWNER).live == live + (by_close ? 1 : 8)),
	       "it is owned");
	expect(grab_put(0), "the pin goes");
	expect(eventually(owner(OWNER).live == live + (by_close ? 0 : 7)),
	       "and with it the page");
	expect(is_poisoned(), "which is still bad");
	if (by_close)
		return;
	recovers();
	leaves_nothing(live);
}

/* What is left of all that are pages that are nobody's. */
static void is_unloaded(const void *unused)
{
	require(!owner(OWNER).live, "nobody else has pages");
	make_shared_machine();
	require(grab_take(page_at(BAD)), "a page can be pinned");
	forget_machine(m);
	require(corrupt(), "it fails when it has left the file");
	expect(unload(MODULE) == EWOULDBLOCK, "it keeps KVM");
	expect(grab_put(0), "the pin goes");
	expect(eventually(!unload(MODULE)), "that is all that kept it");
	expect(load(), "it can be loaded again");
}

/* Only the guest has stored to it, and has it mapped: it is not dirty yet. */
static void is_not_evicted(const void *unused)
{
	make_machine(m, 8, MMAP | INIT_SHARED);
	bad_pfn = host_has_page(m, BAD) ? pfn_of(page_at(BAD)) : 0;
	require(bad_pfn, "the page has a number");
	require(!convert(m, 0, 8, PRIVATE) && !guest_fills(m, 0, 8, 1, 1),
		"the guest has private pages");
	require(set("/proc/sys/vm/enable_soft_offline", 1), "pages can be offlined");
	expect(!put_number(SOFT_OFFLINE, bad_pfn * 4096), "but not this one");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
	expect(!convert(m, 0, 8, SHARED), "all can be shared");
	expect(first_wrong(m->memory, 8, 1, 1, -1, 0) == 8, "the host finds it, too");
	expect(pfn_of(page_at(BAD)) == bad_pfn && !is_poisoned(), "it is the same page");
	expect(!convert(m, 0, 8, PRIVATE), "it can become private");
	expect(are(m, 0, 8, PRIVATE), "and is");
}

static void is_not_migrated(const void *private)
{
	make_shared_machine();
	require(set("/proc/sys/vm/enable_soft_offline", 1), "pages can be offlined");
	expect(madvise(page_at(BAD), 4096, MADV_SOFT_OFFLINE), "but not this one");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
	expect(pfn_of(page_at(BAD)) == bad_pfn, "it is the same page");
	expect(!convert(m, 0, 8, PRIVATE), "it can become private");
	expect(madvise(page_at(BAD), 4096, MADV_SOFT_OFFLINE) && errno == EFAULT,
	       "and cannot be offlined, either");
	expect(guest_finds(m, 0, 8, 1), "the guest finds what was there");
	expect(!convert(m, 0, 8, SHARED), "all can become shared");
	expect(are(m, 0, 8, SHARED), "and is");
}

/* One page at a time: a process removes it while another takes it offline. */
#define RACED	32
#define ROUNDS	30

static struct race {
	int ready;
	int go;
	bool by_madvise;
	unsigned long pfns[RACED];
	long offline_us;	/* how long the one takes, and the other */
	long punch_us;
	int result[RACED];
} *race;

static long now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000L + time.tv_nsec / 1000;
}

static void spin(long us)
{
	long end = now_us() + us;

	while (us && now_us() < end)
		;
}

static void spin_until(int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		sched_yield();
}

static int punch_pages(size_t first, size_t pages)
{
	return fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 first * 4096, pages * 4096);
}

/* 0 or an error number. */
static int take_offline(size_t page)
{
	bool ok = race->by_madvise ? !madvise(page_at(page), 4096, MADV_SOFT_OFFLINE) :
		  put_number(SOFT_OFFLINE, race->pfns[page] * 4096);

	return ok ? 0 : errno;
}

/* First the one starts later, more from page to page, and then the other. */
static int take_all_offline(void *unused)
{
	for (int i = 0; i < RACED; i++) {
		READ_ONCE(*page_at(i));
		__atomic_store_n(&race->ready, i + 1, __ATOMIC_RELEASE);
		spin_until(&race->go, i + 1);
		spin(race->punch_us * max(i - RACED / 2, 0) / (RACED / 2));
		race->result[i] = take_offline(i);
	}
	return 0;
}

static void punch_all(void)
{
	for (int i = 0; i < RACED; i++) {
		spin_until(&race->ready, i + 1);
		__atomic_store_n(&race->go, i + 1, __ATOMIC_RELEASE);
		spin(race->offline_us * max(RACED / 2 - i, 0) / (RACED / 2));
		expect(!punch_pages(i, 1), "a page can be removed");
	}
}

static void measure(void)
{
	long start = now_us();

	expect(take_offline(0), "what is in the file stays there");
	race->offline_us = now_us() - start;
	start = now_us();
	expect(!punch_pages(0, 1), "a page can be removed");
	race->punch_us = now_us() - start;
}

/* Returns how many are offline: these are bad, and others are not. */
static int race_once(void)
{
	int bad = 0;
	pid_t child;

	/* Behind them come others, which push them to the LRU. */
	punch_pages(RACED, RACED);
	fill_pages(m->memory, 2 * RACED, 1, 1);
	for (int i = 0; i < RACED; i++)
		race->pfns[i] = pfn_of(page_at(i));
	if (!race->punch_us) {
		measure();
		fill_pages(m->memory, 1, 1, 1);
		race->pfns[0] = pfn_of(page_at(0));
	}

	race->ready = 0;
	race->go = 0;
	child = start(take_all_offline, NULL);
	punch_all();
	require(!ends(child, LIMIT_MS), "the process that takes them offline ends");
	for (int i = 0; i < RACED; i++) {
		bool poisoned = page_flags(race->pfns[i]) & BIT_ULL(KPF_HWPOISON);

		expect(poisoned == !race->result[i], "page %d is %sbad (%d)", i,
		       race->result[i] ? "not " : "", race->result[i]);
		bad += poisoned;
	}
	expect(first_wrong(page_at(RACED), RACED, 1, RACED + 1, -1, 0) == RACED,
	       "the others are as they were");
	/* Those that came again while madvise() looked for one. */
	expect(!punch_pages(0, RACED), "all can be removed");
	expect(eventually(owner(OWNER).live == RACED), "none is owned then");
	return bad;
}

/*
 * When the page has left the file, who takes it offline has the last reference:
 * its put is for the owner.  With madvise() it cannot have been free before.
 */
static void is_last_holder(const void *by_madvise)
{
	long corrupted = counter_in("/proc/meminfo", "HardwareCorrupted");
	long isolated = counter("nr_isolated_file");
	/* By number, most are free already: not much of a race. */
	int enough = by_madvise ? 16 : 128;
	int bad = 0;

	require(!owner(OWNER).live, "nobody else has pages");
	require(set("/proc/sys/vm/enable_soft_offline", 1), "pages can be offlined");
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(race != MAP_FAILED, "memory can be shared");
	race->by_madvise = by_madvise;
	make_bare_machine(m, 2 * RACED, MMAP | INIT_SHARED);

	for (int i = 0; i < ROUNDS && bad < enough && !failed; i++)
		bad += race_once();
	ksft_print_msg("%d pages are offline\n", bad);
	expect(bad || !by_madvise, "it was the last holder of a page");
	expect(counter_in("/proc/meminfo", "HardwareCorrupted") == corrupted + bad * 4,
	       "each of them is counted once");
	expect(eventually(counter("nr_isolated_file") <= isolated),
	       "none is kept from the LRU");

	forget_machine(m);
	expect(eventually(!owner(OWNER).live), "no page stays behind, owned");
	expect(eventually(!unload(MODULE)), "nothing keeps KVM");
	expect(!unload("kvm"), "nor the rest of it");
	expect(load(), "it can be loaded again");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		only = argv[1];

	ksft_print_header();
	need_machines();
	if (access(CORRUPT, W_OK))
		ksft_exit_skip("no " CORRUPT "\n");
	claim(shared_page_fails, "", "a shared page, MADV_HWPOISON");
	claim(shared_page_fails, NULL, "a shared page");
	claim(private_page_fails, NULL, "a private page");
	claim(private_page_is_replaced, NULL, "a private page, punched out");
	claim(pinned_page_fails, NULL, "a pinned page");
	claim(fails_meanwhile, NULL, "a page that is waited for");
	claim(removed_page_fails, NULL, "a pinned page, punched out before");
	claim(removed_page_fails, "", "a pinned page of a file that is closed");
	claim(is_not_migrated, NULL, "soft offline");
	claim(is_not_evicted, NULL, "soft offline of a private page, by number");
	claim(is_last_holder, "", "soft offline of a page that is punched out, by madvise()");
	claim(is_last_holder, NULL, "soft offline of a page that is punched out, by number");
	claim(is_unloaded, NULL, "unload");
	check_claims(3 * LIMIT_MS);
}
