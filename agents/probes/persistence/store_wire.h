/* store_wire.h - what the store probe asks of its child, and what that answers. */

#ifndef AGENTS_PROBES_PERSISTENCE_STORE_WIRE_H
#define AGENTS_PROBES_PERSISTENCE_STORE_WIRE_H

#include "agents/probes/persistence/walk.h"

enum { STORE_PATH_MAX = 4096, STORE_PROBE_FILE_MAX = 65536 };

typedef struct {
	char path[STORE_PATH_MAX], probe_path[STORE_PATH_MAX]; /* probe_path: "" for none */
	walk_budget_t budget;
} store_ask_t;

/* What the child is about to do, or what failed. */
typedef enum {
	STORE_STEP_NONE,
	STORE_STEP_PROBE_OPEN,
	STORE_STEP_WRITE,
	STORE_STEP_FSYNC,
	STORE_STEP_OPEN,
	STORE_STEP_STATVFS,
	STORE_STEP_WALK
} store_step_t;

/* Kinds of packets of an answer: a step, a cycle where there is a probe_path, and last a tree. */
enum { STORE_SAYS_STEP = 1, STORE_SAYS_CYCLE, STORE_SAYS_TREE };

typedef struct {
	store_step_t failed; /* STORE_STEP_NONE: nothing */
	int error;           /* its errno; 0 where the file is no regular one */
	int64_t duration_ns;
	uint64_t bytes;
} store_cycle_answer_t;

typedef struct {
	store_step_t failed;
	int error;
	uint64_t size_bytes, free_bytes, avail_bytes; /* of the file system */
	uint64_t walks;                               /* whole ones so far */
	walk_result_t whole, under_way;
} store_tree_answer_t;

#endif
