/* worker.h - one job at a time on a thread of its own, for what may block (a disk) and must not on
 * the thread of a loop. The thread starts with the first job and stays. One owner; the job alone runs
 * elsewhere. */

#ifndef NET_WORKER_H
#define NET_WORKER_H

#include <stdbool.h>

#include "net/loop.h"

typedef struct worker worker_t;

/* What a job does, and what is done about it on the loop's thread afterwards. */
typedef void worker_job_fn (void *arg);

/* 0, or negative errno with *ret untouched. loop: polls the worker when a job has ended, and outlives it;
 * NULL: its owner polls. */
int worker_new (loop_t *loop, worker_t **ret);
/* Waits patience_ns for a job under way; its done is not called. True when it has ended; else it is left
 * to itself, and what it uses must outlive the process' end. NULL-safe. */
bool worker_destroy (worker_t **self_p, int64_t patience_ns);

/* Runs job (arg) elsewhere; done (arg) follows from the loop or worker_poll. 0; -EBUSY while another job is under
 * way or was not polled; -EAGAIN without a thread. */
int worker_run (worker_t *self, worker_job_fn *job, worker_job_fn *done, void *arg);
/* Calls done when the job has ended; done may run the next one. */
void worker_poll (worker_t *self);
bool worker_busy (const worker_t *self);
/* Waits patience_ns for the job under way, then does as worker_poll. False when it still runs. */
bool worker_finish (worker_t *self, int64_t patience_ns);

#endif
