/* store.h - the persistence probe of a store that is a directory.
 *
 * Each run asks a child (child.h) to append a small record to probe_path and fsync it, to look at the
 * store's file system, and to walk the directory a bit further: size, files and the newest write are
 * of whole walks, which take several runs where there are many files. A run waits STORE_PATIENCE_NS at
 * most for the answer; what comes later counts in a later run.
 *
 * The component's status: unhealthy where the directory is missing, none or unreadable, where the
 * fsync fails, or where the child has not answered for STORE_STUCK_NS; degraded where its file system
 * is 90 % full; unknown where no child can run; the message says which, with the path and the kernel's
 * word. What is below another mount is not the store's; a file of n names counts a nth for each.
 *
 * Series, all with the label store: belfry_store_size_bytes, _files, _walk_partial (1: more than these
 * are there, not all could be seen), _growth_bytes_per_second, _newest_write_age_seconds, _avail_bytes,
 * _used_ratio, _time_to_full_seconds (while it grows), _fsync_seconds, _fsyncs_total,
 * _fsync_errors_total, _probe_stuck_seconds. */

#ifndef AGENTS_PROBES_PERSISTENCE_STORE_H
#define AGENTS_PROBES_PERSISTENCE_STORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "agents/probes/probe.h"

typedef struct store store_t;

typedef struct {
	const char *name;       /* the component's; copied, as are the others */
	const char *path;       /* the store's directory */
	const char *probe_path; /* the file that is written; NULL or "": none is */
	const char *program;    /* as host_options_t's */
	int64_t interval_ns;    /* between runs: a thousandth of it, of a processor, goes to the walk */
} store_options_t;

#define STORE_PATIENCE_NS (50 * NS_PER_MS)
#define STORE_STUCK_NS (5 * NS_PER_S)

typedef struct {
	bool fresh;          /* completed in the last run */
	int64_t duration_ns; /* of the append and the fsync */
	bool success;
	char error[PROBE_TEXT_MAX]; /* "" on success */
	uint64_t bytes;
	int64_t oldest_age_ns; /* of the newest write in the store: freshness; -1 unknown */
} store_cycle_t;

/* 0; -EINVAL with a sentence; -ENOMEM. *ret is untouched unless 0. A store that is not there is no
 * error: it may come. */
int store_new (const store_options_t *options, store_t **ret, err_t *err);
/* Ends the child. NULL-safe. */
void store_destroy (store_t **self_p);

/* One cycle, on the probes' thread (probing_run_fn). */
void store_run (void *self, mono_t now);

/* What the last run found; valid until the next. */
const samples_t *store_samples (const store_t *self);
/* Whether that run's catalogue differs from the one before. */
bool store_samples_changed (const store_t *self);
/* The component's status; its component is the store's name. UNKNOWN before the first run. */
const probe_check_t *store_check (const store_t *self);
/* The newest append and fsync, for PersistenceCycle. */
const store_cycle_t *store_cycle (const store_t *self);
/* Waits until its child has answered more, at most timeout_ns: for who wants the next run to see it. */
void store_wait (store_t *self, int64_t timeout_ns);
/* Of its child; 0 when none runs. */
pid_t store_child_pid (const store_t *self);

#endif
