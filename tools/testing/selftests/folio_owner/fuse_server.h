/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test and its FUSE server say to each other: memory that they share,
 * given to the server by the number of a file descriptor (--control).  Who
 * waits for a change looks again and again.
 */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H

#include <stdatomic.h>
#include <stdint.h>

#define FUSE_LOG_SIZE	8192

/* A WRITE, in the order of arrival. */
struct fuse_log {
	uint64_t offset;
	uint32_t length;
	uint8_t first;		/* its first byte; 0 if it came in a pipe */
	uint8_t cached;		/* from the page cache */
	uint8_t spliced;
};

enum fuse_order {
	FUSE_NONE,
	FUSE_INVALIDATE,	/* notify_inval_inode */
	FUSE_STORE,		/* notify_store of this byte, or of what is in a file */
	FUSE_RETRIEVE,		/* notify_retrieve */
};

struct fuse_control {
	/*
	 * To the server.  All of this is about WRITEs of cached pages: others
	 * are carried out and answered at once.
	 */
	atomic_int hold;	/* keep them, in the order of arrival */
	atomic_int let_go;	/* but answer so many */
	atomic_int newest_first;	/* starting with the last one */
	atomic_int delay_ms;	/* answer after this time */
	atomic_int allocate;	/* bytes to allocate and touch, before */
	atomic_int keep_pipe;	/* keep the data in a pipe, after the answer */
	atomic_int fail;	/* answer with this error, without writing */
	atomic_int shorten;	/* leave out so many bytes at the end, and say so */
	atomic_int hold_reads;	/* whatever they are for; takes a thread each */

	/* The path of a file that data in a pipe is spliced into, with O_DIRECT. */
	char direct[64];

	/* From the server. */
	atomic_int ready;
	atomic_int writes;	/* have arrived */
	atomic_int answered;
	atomic_int held;	/* in its hands: arrived and not answered */
	atomic_int spliced;	/* came in a pipe */
	atomic_int pipes;	/* kept */
	atomic_int overlaps;	/* arrived while one for the same bytes was held */
	atomic_int cuts;	/* SETATTR of the size while one was held */
	atomic_int fsyncs;
	atomic_int reads;
	atomic_int bytes_read;	/* what these asked for */
	struct fuse_log log[FUSE_LOG_SIZE];

	/* An order for the server: set what, then order; done counts them. */
	char name[64];
	uint64_t offset;
	uint64_t length;
	uint8_t byte;
	char from[64];		/* the path of that file; it is read when it is stored */
	int result;
	atomic_int order;
	atomic_int done;

	/* What was retrieved, its start, and how often. */
	uint8_t retrieved[4096];
	uint64_t retrieved_size;
	atomic_int retrievals;

	/* Set look, to see what is at the start of the first pipe. */
	atomic_int look;
	uint8_t seen[4096];
};

#endif /* FUSE_SERVER_H */
