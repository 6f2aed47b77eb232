/* figures.h - one probe's samples as events: the catalogue when it changed, when it was asked for and
 * every 60 s, and the values of each cycle under its hash (wire.md, "Catalogues").
 * Pure: events leave through the outbox. One owner, not thread-safe. */

#ifndef AGENTS_FIGURES_H
#define AGENTS_FIGURES_H

#include "agents/outbox.h"
#include "agents/samples.h"

#define FIGURES_REPEAT_NS (60 * NS_PER_S)

typedef struct {
	const char *source; /* borrowed for good */
	uint64_t start_ns;  /* since when its counters count, UTC; 0: unsaid */
	uint64_t said;      /* the hash that was said last; 0: say it again */
	mono_t said_at;
} figures_t;

/* Sends the newest cycle. 0, OUTBOX_E_UNHEARD, or as outbox_send with err. */
int figures_say (figures_t *self, const samples_t *samples, outbox_t *outbox, moment_t now, err_t *err);

#endif
