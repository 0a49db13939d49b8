/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocations that fail below one function, or in one task: of pages, or of slab
 * objects.  See Documentation/fault-injection.
 */
#ifndef FOLIO_OWNER_FAULT_H
#define FOLIO_OWNER_FAULT_H

#include "util.h"

#define FAIL_PAGE_ALLOC	"/sys/kernel/debug/fail_page_alloc/"
#define FAIL_SLAB	"/sys/kernel/debug/failslab/"
#define FAULTS		1000000

static inline const char *fault_path(const char *faults, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s%s", faults, name);
	return path;
}

static inline bool can_fail(const char *faults)
{
	return !access(fault_path(faults, "require-start"), W_OK);
}

static inline bool set_hex(const char *path, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%lx", value);
	return put_string(path, text);
}

/* Its text, in the kernel. */
static inline bool find_function(const char *name, unsigned long *start, unsigned long *end)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long address;
	char line[512], symbol[256];

	*start = *end = 0;
	while (file && !*end && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*c %255s", &address, symbol) != 2)
			continue;
		if (*start && address > *start)
			*end = address;
		/* A compiler may have made .isra.0 of it. */
		if (!*start && !strstr(symbol, ".cold") &&
		    !strncmp(symbol, name, strlen(name)) &&
		    (!symbol[strlen(name)] || symbol[strlen(name)] == '.'))
			*start = address;
	}
	if (file)
		fclose(file);
	return *start && *end;
}

/* After so many, so many allocations below this function fail, or those of this task. */
static inline bool arm_faults(const char *faults, const char *function, long allowed,
			      long times, bool by_task)
{
	unsigned long start, end;

	return find_function(function, &start, &end) &&
	       set(fault_path(faults, "probability"), 0) &&
	       set_hex(fault_path(faults, "require-start"), start) &&
	       set_hex(fault_path(faults, "require-end"), end) &&
	       put_string(fault_path(faults, "task-filter"), by_task ? "Y" : "N") &&
	       set("/proc/self/make-it-fail", by_task) &&
	       put_string(fault_path(faults, "ignore-gfp-wait"), "N") &&
	       set(fault_path(faults, "verbose"), 0) &&
	       set(fault_path(faults, "interval"), 1) &&
	       set(fault_path(faults, "space"), allowed + 1) &&
	       set(fault_path(faults, "times"), times) &&
	       set(fault_path(faults, "probability"), 100);
}

/* How many are left of the times. */
static inline long disarm_faults(const char *faults)
{
	set(fault_path(faults, "probability"), 0);
	set("/proc/self/make-it-fail", 0);
	return get(fault_path(faults, "times"));
}

#endif /* FOLIO_OWNER_FAULT_H */
