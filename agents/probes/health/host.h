/* host.h - the health probe: what this machine does and how it is, each cycle.
 *
 * One walk over the collectors of this directory, always in the same order, gives the samples under
 * node_exporter's names (messages.md, "Names of series"); five checks are made of the same figures:
 *
 * | check       | figure                                        | degraded  | unhealthy |
 * | memory      | 1 - available / total                          | over 90 % | over 97 % |
 * | disk        | the fullest writable file system on a device   | 90 %      | 97 %      |
 * | descriptors | open in the system / its limit                 | 80 %      | 95 %      |
 * | pressure    | PSI, all work stood still: memory, over 60 s   | 25 %      | 60 %      |
 * |             | for a disk, over 5 minutes                     | 80 %      | never     |
 * | mounts      | a file system that does not answer statvfs     | -         | after 5 s |
 *
 * Each has hysteresis (level.h). A busy processor is never unhealthy: it is what a processor is for. A
 * check whose figure this machine does not have is left out. Runs on one thread; the first run starts
 * the child of the mounts and waits up to HOST_PATIENCE_NS for its first answer, no other waits. */

#ifndef AGENTS_PROBES_HEALTH_HOST_H
#define AGENTS_PROBES_HEALTH_HOST_H

#include <sys/types.h>

#include "agents/probes/probe.h"

typedef struct host host_t;

typedef struct {
	const char *proc, *sys; /* NULL: "/proc", "/sys"; tests give fixtures. Borrowed for host_new */
	const char *program; /* executable re-executed for the mounts' child; NULL: /proc/self/exe. Copied */
} host_options_t;

enum { HOST_CHECKS_MAX = 5 };
#define HOST_PATIENCE_NS (150 * NS_PER_MS)

/* 0; -ENOMEM; the errno of opening proc, with a sentence in err. *ret is untouched then. A machine
 * without sys has fewer series. */
int host_new (const host_options_t *options, host_t **ret, err_t *err);
/* Ends the child. NULL-safe. */
void host_destroy (host_t **self_p);

/* One cycle, on the probes' thread (probing_run_fn). */
void host_run (void *self, mono_t now);

/* What the last cycle found; valid until the next. */
const samples_t *host_samples (const host_t *self);
/* Whether that cycle's catalogue differs from the one before. */
bool host_samples_changed (const host_t *self);
const probe_summary_t *host_summary (const host_t *self);
const probe_check_t *host_checks (const host_t *self, size_t *ret_n); /* NodeHealth's checks */
/* The worst check's; UNKNOWN before the first cycle. */
probe_status_t host_status (const host_t *self);
/* Waits until its child has answered more, at most timeout_ns: for who wants the mounts in the next cycle. */
void host_wait (host_t *self, int64_t timeout_ns);
/* Of its child; 0 when none runs. */
pid_t host_child_pid (const host_t *self);

#endif
