// SPDX-License-Identifier: GPL-2.0
/*
 * KVM is not unloaded while a page of guest_memfd is alive, whoever has it.
 * Here it is a pipe, which refers to neither the file nor the machine.
 */
#include "guest_memfd.h"

static struct machine machine;
static struct machine *const m = &machine;

/* Two pages, in a pipe and nowhere else; one has been private. */
static void pages_into_pipe(void)
{
	struct iovec vec;

	make_machine(m, 8, MMAP | INIT_SHARED);
	fill_pages(m->memory, 8, 1, 1);
	require(!convert(m, 0, 5, PRIVATE) && !guest_fills(m, 0, 5, 1, 1) &&
		!convert(m, 3, 2, SHARED), "pages are converted");
	vec.iov_base = m->memory + 4 * 4096;
	vec.iov_len = 2 * 4096;
	require(!pipe(pipe_fds) && vmsplice(pipe_fds[1], &vec, 1, 0) == 2 * 4096,
		"pages go into a pipe");
}

/* A process that was forked may have the pipe open as well. */
static bool empty_pipe(void)
{
	char copy[2 * 4096];

	return read(pipe_fds[0], copy, sizeof(copy)) == sizeof(copy) &&
	       has_byte(copy, 5) && has_byte(copy + 4096, 6);
}

static void machine_refuses(const void *unused)
{
	pages_into_pipe();
	expect(unload(MODULE) == EWOULDBLOCK, "it is not unloaded while there is a machine");
	kvm_vm_free(m->vm);
	expect(unload(MODULE) == EWOULDBLOCK, "nor while there is a file");
	close(m->fd);
	expect(unload(MODULE) == EWOULDBLOCK, "nor while it is mapped");
	expect(!munmap(m->memory, 8 * 4096), "the mapping goes");
}

/* At once, and nothing is torn down. */
static void last_page_refuses(const void *unused)
{
	char copy[4096];

	require(!owner(OWNER).live, "nobody else has pages");
	pages_into_pipe();
	forget_machine(m);
	expect(eventually(owner(OWNER).live == 2), "two pages are left");
	expect(unload(MODULE) == EWOULDBLOCK, "they keep it");
	expect(unload("kvm") == EWOULDBLOCK, "and the rest");
	memset(m, 0, sizeof(*m));
	make_machine(m, 8, MMAP | INIT_SHARED);
	fill_pages(m->memory, 8, 1, 1);
	expect(!convert(m, 0, 5, PRIVATE) && !guest_fills(m, 0, 5, 1, 1),
	       "which works as before");
	forget_machine(m);
	expect(read(pipe_fds[0], copy, 4096) == 4096 && has_byte(copy, 5),
	       "one page comes out of the pipe");
	expect(eventually(owner(OWNER).live == 1), "and is free");
	expect(unload(MODULE) == EWOULDBLOCK, "that is not enough");
	expect(read(pipe_fds[0], copy, 4096) == 4096 && has_byte(copy, 6),
	       "the other page comes out of the pipe");
	expect(eventually(!unload(MODULE)), "that is");
	expect(!unload("kvm"), "the rest is unloaded, too");
	expect(!owner(OWNER).instances, "nothing is owned");
	expect(load(), "it can be loaded again");
	memset(m, 0, sizeof(*m));
	pages_into_pipe();
	forget_machine(m);
	expect(empty_pipe(), "and used");
	expect(eventually(!owner(OWNER).live), "to the end");
}

/* The last page goes while somebody tries to unload the module. */
static void races_with_last_page(const void *unused)
{
	for (int i = 0; i < 20; i++) {
		pid_t child;
		int status;

		memset(m, 0, sizeof(*m));
		pages_into_pipe();
		forget_machine(m);
		child = start(unload, MODULE);
		if (i % 2)
			sleep_ms(i);
		expect(empty_pipe(), "the pages come out of the pipe");
		status = ends(child, LIMIT_MS);
		expect(!status || (WIFEXITED(status) && WEXITSTATUS(status) == EWOULDBLOCK),
		       "it is unloaded or not, round %d", i);
		expect(!status || eventually(!unload(MODULE)), "it is in the end");
		if (i % 4 == 0)
			expect(!unload("kvm"), "with all of it");
		require(load(), "it can be loaded again");
	}
}

/* It keeps the inode, and nothing that it had of KVM. */
static void path_leads_nowhere(const void *unused)
{
	struct stat stat;
	char name[64];
	int path;

	require(!owner(OWNER).live, "nobody else has pages");
	make_machine(m, 8, MMAP | INIT_SHARED);
	fill_pages(m->memory, 8, 1, 1);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", m->fd);
	path = open(name, O_PATH);
	require(path >= 0, "there is a path to the file");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path);
	expect(truncate(name, 4096) && errno == EINVAL, "the file cannot be cut");
	forget_machine(m);
	expect(eventually(!owner(OWNER).live), "its pages are free when it is closed");
	expect(!ends(start(unload, MODULE), LIMIT_MS) &&
	       !ends(start(unload, "kvm"), LIMIT_MS), "KVM is unloaded");
	expect(!fstat(path, &stat) && stat.st_size == 8 * 4096,
	       "the path leads to an inode");
	expect(open(name, O_RDWR) < 0, "but not to a file");
	expect(!truncate(name, 4096) && !truncate(name, 8 * 4096) && !chmod(name, 0600),
	       "which is like any other");
	expect(!close(path), "the path can be closed");
	expect(load(), "KVM can be loaded again");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		only = argv[1];

	ksft_print_header();
	if (!load())
		ksft_exit_skip("no module " MODULE "\n");
	need_machines();
	claim(machine_refuses, NULL, "a machine, a file or a mapping keeps it");
	claim(last_page_refuses, NULL, "the last page keeps it");
	claim(path_leads_nowhere, NULL, "a path does not keep it");
	claim(races_with_last_page, NULL, "the last page goes meanwhile");
	check_claims(3 * LIMIT_MS);
}
