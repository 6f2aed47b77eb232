/* committer.h - durable events from the moment they were taken in until they are in the journal, out on
 * the stream with their marks, and acknowledged (wire.md, "Durable delivery"). Pure. One owner, not
 * thread-safe.
 *
 * One commit is under way at a time; what comes meanwhile gathers for the next one, which is group commit
 * at whatever pace the disk has. A batch that the journal did not take stays and is tried again, the same
 * one, since memory and records of it belong together. */

#ifndef COLLECTOR_COMMITTER_H
#define COLLECTOR_COMMITTER_H

#include "collector/batch.h"
#include "collector/core.h"
#include "collector/view/view.h"

#define COMMITTER_RETRY_NS NS_PER_S
/* A commit that takes longer is as good as one that failed, to whoever watches the stream. */
#define COMMITTER_PATIENCE_NS (2 * NS_PER_S)
#define COMMITTER_SAY_NS (60 * NS_PER_S)

typedef struct committer committer_t;

typedef struct {
	void *arg;
	/* A batch goes to the journal now: adds the memory that belongs to it. */
	void (*remember) (void *arg, batch_t *batch, moment_t now);
	/* An event of the collector's own went out. */
	void (*published) (void *arg, const journal_record_t *record, const batch_entry_t *entry);
	/* Something of account is in the journal now. */
	void (*acknowledge) (void *arg, const node_t *node, const account_t *account);
} committer_hooks_t;

/* view and port are borrowed. 0 or -ENOMEM. */
int committer_new (view_t *view, const core_port_t *port, const committer_hooks_t *hooks, committer_t **ret);
void committer_destroy (committer_t **self_p);

/* Whether one more record of so many bytes fits; then committer_add takes it. */
bool committer_room (committer_t *self, size_t bytes, bool own);
void committer_add (committer_t *self, const journal_record_t *record, const batch_entry_t *entry);

/* Asks for a commit where there is something to commit and none is under way. memory: also where there is
 * nothing but that. */
void committer_flush (committer_t *self, bool memory, moment_t now);
/* The commit's outcome: 0, or negative errno with a sentence. */
void committer_done (committer_t *self, int error, const char *text, moment_t now);

#endif
