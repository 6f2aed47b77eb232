/* alone.h - says in the log that no collector answers, after a while and then each minute, and what waits
 * meanwhile. One owner, on its loop's thread. */

#ifndef AGENTS_ALONE_H
#define AGENTS_ALONE_H

#include "agents/delivery.h"

#define ALONE_NS (3 * NS_PER_S)
#define ALONE_AGAIN_NS (60 * NS_PER_S)

typedef struct {
	mono_t due; /* when it is said, unless somebody answers before */
} alone_t;

void alone_look (alone_t *self, talk_t *const *talks, size_t n, const delivery_t *delivery,
        const outbox_t *outbox, mono_t now);

#endif
