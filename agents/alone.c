#include "agents/alone.h"

#include <inttypes.h>

#include "base/log.h"

void alone_look (alone_t *self, talk_t *const *talks, size_t n, const delivery_t *delivery,
        const outbox_t *outbox, mono_t now)
{
	for (size_t i = 0; i < n; i++) {
		if (talk_welcomed (talks[i])) {
			self->due = mono_add (now, ALONE_NS);
			return;
		}
	}
	if (mono_since (now, self->due) < 0)
		return;
	self->due = mono_add (now, ALONE_AGAIN_NS);
	log_warning ("agent",
	        "no collector answers (%s%s); trying on, %" PRIu64 " events wait, %" PRIu64 " were dropped",
	        talk_endpoint (talks[0]), n > 1 ? " and others" : "",
	        delivery_figures (delivery)->events + hold_count (outbox_hold (outbox)),
	        hold_dropped (outbox_hold (outbox)));
}
