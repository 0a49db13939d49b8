/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mapped guest_memfd share: a virtual machine with such a
 * file, what its guest and the host see of a page, and conversions that wait.
 *
 * Claims, pins and processes that wait are those of the folio_owner tests.
 */
#ifndef SELFTEST_KVM_GUEST_MEMFD_H
#define SELFTEST_KVM_GUEST_MEMFD_H

#include "../folio_owner/claims.h"
#include <linux/io_uring.h>
#include <mm/gup_test.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/stat.h>
#include "kvm_util.h"
#include "processor.h"

#define SLOT		10
#define GPA		BIT_ULL(32)
#define MMAP		GUEST_MEMFD_FLAG_MMAP
#define INIT_SHARED	GUEST_MEMFD_FLAG_INIT_SHARED
#define PRIVATE		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define SHARED		0
#define NO_WAIT		KVM_SET_MEMORY_ATTRIBUTES_NO_WAIT
#define OWNER		"guest_memfd"
#define PATTERN		((char)0xa5)

/* KVM comes and goes with this module. */
#define MODULE	"kvm_amd"

static inline int unload(void *name)
{
	return syscall(SYS_delete_module, name, 0) ? errno : 0;
}

static inline bool load(void)
{
	return !system("modprobe " MODULE) && eventually(!access("/dev/kvm", F_OK));
}

/* The guest: does what it is told, and says what came of it. */

enum order_kind {
	ORDER_NOTHING,
	ORDER_FILL,	/* the pages get content */
	ORDER_CHECK,	/* which page, the first, has other content */
	ORDER_COUNT,	/* see count_pages() */
	ORDER_STORE,	/* this byte goes all over the page, for ever */
};

struct order {
	uint64_t kind;
	uint64_t first;
	uint64_t pages;
	uint64_t step;
	uint64_t seed;
	uint64_t except;	/* this page, counted from the first, has ... */
	uint64_t byte;		/* ... this in it */
	uint64_t stop;
	uint64_t rounds;
};

#define MAX_VCPUS 2
static struct order guest_orders[MAX_VCPUS];

static inline void fill_pages(char *memory, size_t pages, size_t step, int seed)
{
	for (size_t i = 0; i < pages; i += step)
		memset(memory + i * 4096, seed + i, 64);
}

static inline size_t first_wrong(const char *memory, size_t pages, size_t step,
				 int seed, size_t except, char byte)
{
	for (size_t i = 0; i < pages; i += step)
		if (!has_byte(memory + i * 4096, i == except ? byte : seed + i))
			return i;
	return pages;
}

/*
 * Each page has a number that only the guest writes, and that goes up by one.
 * Nobody but a conversion that loses content makes it another one.
 */
static inline uint64_t count_pages(struct order *order)
{
	uint64_t number = 0;

	while (!READ_ONCE(order->stop)) {
		for (uint64_t i = 0; i < order->pages; i++) {
			uint64_t *word = (void *)(GPA + (order->first + i) * 4096);

			if (READ_ONCE(*word) != number)
				return 1 + i;
			WRITE_ONCE(*word, number + 1);
		}
		WRITE_ONCE(order->rounds, ++number);
	}
	return 0;
}

static inline uint64_t store_pages(struct order *order)
{
	while (!READ_ONCE(order->stop)) {
		memset((void *)(GPA + order->first * 4096), order->byte, 4096);
		WRITE_ONCE(order->rounds, order->rounds + 1);
	}
	return 0;
}

static inline uint64_t obey(struct order *order)
{
	char *memory = (void *)(GPA + order->first * 4096);

	switch (order->kind) {
	case ORDER_FILL:
		fill_pages(memory, order->pages, order->step, order->seed);
		return 0;
	case ORDER_CHECK:
		return first_wrong(memory, order->pages, order->step, order->seed,
				   order->except, order->byte);
	case ORDER_COUNT:
		return count_pages(order);
	case ORDER_STORE:
		return store_pages(order);
	default:
		return 0;
	}
}

static inline void guest_main(uint64_t id)
{
	for (;;) {
		uint64_t result = obey(&guest_orders[id]);

		GUEST_SYNC1(result);
	}
}

/* The machine. */

struct machine {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct kvm_regs start[MAX_VCPUS];
	struct order *orders;	/* as the host sees them */
	int fd;			/* guest_memfd */
	char *memory;		/* of it, if it can be mapped */
	size_t pages;
};

static const struct vm_shape protected_shape = {
	.mode = VM_MODE_DEFAULT,
	.type = KVM_X86_SW_PROTECTED_VM,
};

static inline char *map_file(int fd, size_t pages)
{
	return mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static inline int set_slot(struct machine *m, uint32_t slot, uint64_t gpa,
			   size_t pages, void *address, size_t first)
{
	return __vm_set_user_memory_region2(m->vm, slot, KVM_MEM_GUEST_MEMFD, gpa,
					    pages * 4096, address, m->fd,
					    first * 4096) ? -errno : 0;
}

static inline void create_file(struct machine *m, size_t pages, uint64_t flags)
{
	m->pages = pages;
	m->fd = vm_create_guest_memfd(m->vm, pages * 4096, flags);
	if (flags & MMAP) {
		m->memory = map_file(m->fd, pages);
		require(m->memory != MAP_FAILED, "the file can be mapped");
	}
}

/* Without a processor. */
static inline void make_bare_machine(struct machine *m, size_t pages,
				     uint64_t flags)
{
	m->vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	create_file(m, pages, flags);
	require(!set_slot(m, SLOT, GPA, pages, m->memory, 0),
		"the file backs a memslot");
}

static inline void make_vcpus(struct machine *m, size_t pages, int vcpus)
{
	m->vm = __vm_create_with_vcpus(protected_shape, vcpus, 0, guest_main,
				       m->vcpus);
	virt_map_level(m->vm, GPA, GPA,
		       (pages * 4096 + HPAGE_SIZE - 1) / HPAGE_SIZE * HPAGE_SIZE,
		       PG_LEVEL_2M);
	m->orders = addr_gva2hva(m->vm, (vm_vaddr_t)guest_orders);
	for (int i = 0; i < vcpus; i++) {
		vcpu_args_set(m->vcpus[i], 1, i);
		vcpu_regs_get(m->vcpus[i], &m->start[i]);
	}
}

static inline void make_machine(struct machine *m, size_t pages, uint64_t flags)
{
	make_vcpus(m, pages, 1);
	create_file(m, pages, flags);
	require(!set_slot(m, SLOT, GPA, pages, m->memory, 0),
		"the file backs a memslot");
}

static inline void forget_machine(struct machine *m)
{
	munmap(m->memory, m->pages * 4096);
	close(m->fd);
	kvm_vm_free(m->vm);
}

/* Why a processor is back that should not be: it cannot be seen later. */
static inline void print_exit(struct kvm_vcpu *vcpu, int err)
{
	const uint64_t *data = (void *)vcpu->run->padding;
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	ksft_print_msg("processor %u: %s, exit reason %u (%s), data %lx %lx %lx\n",
		       vcpu->id, strerror(err), vcpu->run->exit_reason,
		       exit_reason_str(vcpu->run->exit_reason), data[0], data[1],
		       data[2]);
	ksft_print_msg("rip %llx, rsp %llx, rflags %llx\n", regs.rip, regs.rsp,
		       regs.rflags);
}

/* The guest has obeyed, and says what came of it. */
static inline bool says_result(struct kvm_vcpu *vcpu, uint64_t *result)
{
	struct ucall uc;

	if (get_ucall(vcpu, &uc) != UCALL_SYNC) {
		print_exit(vcpu, 0);
		ksft_print_msg("ucall %lu %.*s\n", uc.cmd,
			       uc.cmd == UCALL_ABORT ? UCALL_BUFFER_LEN : 0,
			       uc.buffer);
		return false;
	}
	if (result)
		*result = uc.args[0];
	return true;
}

/*
 * Lets the guest obey.  If it cannot go on, because memory is not there, that
 * is said, and it is ready for another order.
 */
static inline int run_order(struct machine *m, int vcpu, struct order order,
			    uint64_t *result)
{
	m->orders[vcpu] = order;
	while (__vcpu_run(m->vcpus[vcpu])) {
		int err = errno;

		if (err == EINTR)
			continue;
		if (err != EFAULT && err != EHWPOISON)
			print_exit(m->vcpus[vcpu], err);
		vcpu_regs_set(m->vcpus[vcpu], &m->start[vcpu]);
		return -err;
	}
	require(says_result(m->vcpus[vcpu], result), "the guest obeys");
	return 0;
}

static inline int guest_fills(struct machine *m, size_t first, size_t pages,
			      size_t step, int seed)
{
	struct order order = {
		.kind = ORDER_FILL, .first = first, .pages = pages,
		.step = step, .seed = seed,
	};

	return run_order(m, 0, order, NULL);
}

/* -EFAULT, or the first page with other content, or the number of pages. */
static inline long guest_finds_but(struct machine *m, size_t first, size_t pages,
				   size_t step, int seed, size_t except, char byte)
{
	struct order order = {
		.kind = ORDER_CHECK, .first = first, .pages = pages,
		.step = step, .seed = seed, .except = except, .byte = byte,
	};
	uint64_t result = 0;
	int err = run_order(m, 0, order, &result);

	return err ? err : (long)result;
}

static inline bool guest_finds(struct machine *m, size_t first, size_t pages,
			       int seed)
{
	return guest_finds_but(m, first, pages, 1, seed, -1, 0) == (long)pages;
}

/* One page, with any content. */
static inline int guest_touches(struct machine *m, size_t page)
{
	long found = guest_finds_but(m, page, 1, 1, 0, -1, 0);

	return found < 0 ? found : 0;
}

/* What the host may do with an address. */

static __thread sigjmp_buf no_access;
static __thread int bus_code;
static __thread bool may_fault;

static inline void handle_bus(int signal, siginfo_t *info, void *context)
{
	if (!READ_ONCE(may_fault)) {
		ksft_print_msg("unexpected SIGBUS, code %d, at %p\n", info->si_code, info->si_addr);
		_exit(1);
	}
	WRITE_ONCE(bus_code, info->si_code);
	siglongjmp(no_access, 1);
}

static inline void catch_bus(void)
{
	struct sigaction action = {
		.sa_sigaction = handle_bus,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGBUS, &action, NULL);
}

static inline bool host_can(char *address, bool write)
{
	catch_bus();
	if (sigsetjmp(no_access, 1)) {
		WRITE_ONCE(may_fault, false);
		return false;
	}
	WRITE_ONCE(may_fault, true);
	if (write)
		__atomic_fetch_add(address + 4095, 1, __ATOMIC_RELAXED);
	else
		READ_ONCE(*address);
	WRITE_ONCE(may_fault, false);
	return true;
}

/* Neither loads and stores nor the kernel on behalf of somebody get there. */
static inline bool host_has_page(struct machine *m, size_t page)
{
	return host_can(m->memory + page * 4096, false);
}

static inline bool can_be_grabbed(void *address, bool write)
{
	struct test_folio_owner_grab grab = {
		.addr = (unsigned long)address,
		.nr = 1,
		.write = write,
	};
	int fd = open_test_device();
	bool can = !ioctl(fd, TEST_FOLIO_OWNER_GRAB, &grab);

	close(fd);
	return can;
}

/* Whether the guest has it as private memory: that is not behind the mapping. */
static inline bool guest_has_private(struct machine *m, size_t page)
{
	char *address = m->memory + page * 4096;
	int err;

	require(!mprotect(address, 4096, PROT_NONE), "a page can be protected");
	err = guest_touches(m, page);
	mprotect(address, 4096, PROT_READ | PROT_WRITE);
	expect(!err || err == -EFAULT, "the guest gets the page or a fault (%d)", err);
	return !err;
}

/* Attributes and pages agree on what these pages are. */
static inline bool are(struct machine *m, size_t first, size_t pages,
		       uint64_t attributes)
{
	for (size_t i = first; i < first + pages; i++) {
		bool host = host_has_page(m, i);
		bool private = guest_has_private(m, i);

		if (host == !!attributes || private != !!attributes) {
			ksft_print_msg("page %zu: host %s, guest has it %s\n", i,
				       host ? "has it" : "does not have it",
				       private ? "private" : "shared");
			return false;
		}
	}
	return true;
}

/* Conversions. */

struct conversion {
	int vm;
	unsigned long request;
	void *argument;
	struct kvm_memory_attributes attributes;
	long result;
	pid_t pid;
};

/* Without errno, which the processes would share. */
static inline long raw_ioctl(int fd, unsigned long request, void *argument)
{
	long result;

	asm volatile("syscall" : "=a" (result)
		     : "a" ((long)SYS_ioctl), "D" ((long)fd), "S" (request),
		       "d" (argument)
		     : "rcx", "r11", "memory");
	return result;
}

static inline void set_attributes(struct kvm_memory_attributes *attributes,
				  size_t first, size_t pages, uint64_t value,
				  uint64_t flags)
{
	attributes->address = GPA + first * 4096;
	attributes->size = pages * 4096;
	attributes->attributes = value;
	attributes->flags = flags;
}

static inline int convert(struct machine *m, size_t first, size_t pages,
			  uint64_t attributes)
{
	struct kvm_memory_attributes request;

	set_attributes(&request, first, pages, attributes, 0);
	return raw_ioctl(m->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &request);
}

/* The busy page goes to @busy. */
static inline int convert_no_wait(struct machine *m, size_t first, size_t pages,
				  size_t *busy)
{
	struct kvm_memory_attributes request;
	int err;

	set_attributes(&request, first, pages, PRIVATE, NO_WAIT);
	err = raw_ioctl(m->vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &request);
	if (busy)
		*busy = (request.address - GPA) / 4096;
	return err;
}

static inline int run_conversion(void *argument)
{
	struct conversion *conversion = argument;

	conversion->result = raw_ioctl(conversion->vm, conversion->request,
				       conversion->argument);
	return 0;
}

/*
 * In a process of its own, to be killed without the rest, but in the same
 * memory: KVM serves no other.
 */
static inline void start_ioctl(struct conversion *conversion, int fd,
			       unsigned long request, void *argument)
{
	const size_t size = 65536;
	char *stack = malloc(size);

	conversion->vm = fd;
	conversion->request = request;
	conversion->argument = argument;
	conversion->result = -EINPROGRESS;
	conversion->pid = clone(run_conversion, stack + size,
				CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD,
				conversion);
	require(conversion->pid > 0, "a process starts");
}

static inline void start_conversion(struct conversion *conversion,
				    struct machine *m, size_t first,
				    size_t pages, uint64_t attributes)
{
	set_attributes(&conversion->attributes, first, pages, attributes, 0);
	start_ioctl(conversion, m->vm->fd, KVM_SET_MEMORY_ATTRIBUTES,
		    &conversion->attributes);
}

/* It may have much to do until it comes to what it waits for. */
static inline bool waits(const struct conversion *conversion)
{
	for (int i = 0; i < 60; i++) {
		char state;

		if (falls_asleep(conversion->pid))
			return true;
		state = state_of(conversion->pid);
		if (!state || state == 'Z')
			return false;
	}
	return false;
}

/* What came of it, in time. */
static inline long result_of(struct conversion *conversion)
{
	int status = ends(conversion->pid, 3 * LIMIT_MS);

	return status ? -EINPROGRESS : READ_ONCE(conversion->result);
}

static inline bool dies(struct conversion *conversion)
{
	kill(conversion->pid, SIGKILL);
	return killed(ends(conversion->pid, LIMIT_MS));
}

/* More ways to pin a page. */

static int ring = -1;

static bool ring_take(void *page)
{
	struct io_uring_params params = { };
	struct iovec vec = { page, 4096 };

	ring = syscall(SYS_io_uring_setup, 1, &params);
	return ring >= 0 && syscall(SYS_io_uring_register, ring,
				    IORING_REGISTER_BUFFERS, &vec, 1) >= 0;
}

static bool ring_put(char byte)
{
	bool ok = !syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS,
			   NULL, 0);

	close(ring);
	return ok;
}

static int gup_test = -1;

static bool longterm_take(void *page)
{
	struct pin_longterm_test pin = {
		.addr = (unsigned long)page,
		.size = 4096,
		.flags = PIN_LONGTERM_TEST_FLAG_USE_WRITE,
	};

	gup_test = open("/sys/kernel/debug/gup_test", O_RDWR);
	return !ioctl(gup_test, PIN_LONGTERM_TEST_START, &pin);
}

/* What the pin sees is what the page was filled with. */
static bool longterm_put(char byte)
{
	char copy[4096] = { };
	__u64 address = (unsigned long)copy;
	bool ok = !ioctl(gup_test, PIN_LONGTERM_TEST_READ, &address) &&
		  has_byte(copy, byte) &&
		  !ioctl(gup_test, PIN_LONGTERM_TEST_STOP);

	close(gup_test);
	return ok;
}

static const struct pin pin_by_ring = {
	.name = "io_uring",
	.take = ring_take,
	.is_held = always_held,
	.put = ring_put,
};

static const struct pin pin_by_gup_test = {
	.name = "gup_test",
	.take = longterm_take,
	.is_held = always_held,
	.put = longterm_put,
};

static const struct pin *const pins[] = {
	&pin_by_grab, &pin_by_gup_test, &pin_by_ring, &pin_by_pipe,
	&pin_by_direct_read,
};

static inline bool is_on_disk(const struct pin *pin)
{
	return pin == &pin_by_direct_read;
}

/* A pin, used as far as one can. */
static inline char write_through(const struct pin *pin, char byte)
{
	if (!pin->write)
		return byte;
	expect(pin->write(PATTERN), "the pin can be used");
	return PATTERN;
}

/* What all of this does not work without. */
static inline void need_machines(void)
{
	int kvm = open("/dev/kvm", O_RDWR);

	if (kvm < 0)
		ksft_exit_skip("no /dev/kvm\n");
	if (!(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES) &
	      BIT(KVM_X86_SW_PROTECTED_VM)))
		ksft_exit_skip("no KVM_X86_SW_PROTECTED_VM\n");
	close(kvm);
	need("/dev/kvm");
}

static inline void check_claims(int limit_ms)
{
	ksft_set_plan(nr_claims);
	for (int i = 0; i < nr_claims; i++) {
		claims[i].limit_ms = limit_ms;
		ksft_test_result(holds(&claims[i]), "%s\n", claims[i].name);
	}
	ksft_finished();
}

#endif /* SELFTEST_KVM_GUEST_MEMFD_H */
