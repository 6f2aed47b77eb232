/* What the calls say, as events. Each asks first whether it is enabled, before it looks at anything
 * else; each reads only bounded memory of the host's, and keeps none. */

#include "app/belfry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/uplink.h"
#include "base/borrow.h"
#include "base/utf8.h"

enum {
	EVENT_MAX = 64000,
	NAME_MAX_SIZE = 255,
	COMPONENT_MAX_SIZE = 128,
	TEXT_MAX_SIZE = 8192,
	DETAILS_MAX_SIZE = 2048
};

struct belfry {
	_Atomic bool enabled;
	wall_t opened;
	uplink_t uplink;
};

static bool source_valid (const char *source)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t size = source ? strnlen (source, UPLINK_SOURCE_MAX + 1) : 0;
	return size > 0 && size <= UPLINK_SOURCE_MAX && strchr (first, source[0]) &&
	       strspn (source, rest) == size && strcmp (source, "agent") != 0 &&
	       strcmp (source, "collector") != 0;
}

static int open_checked (const char *source, const char *version, const char *path, belfry_t **ret)
{
	/* Abstract sockets have no owner and no mode: whoever comes first would be the agent. */
	if (!source_valid (source) || path[0] == '@')
		return -EINVAL;
	if (strlen (path) >= sizeof ((struct sockaddr_un *) 0)->sun_path)
		return -ENAMETOOLONG;
	belfry_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->opened = wall_now ();
	atomic_store (&self->enabled, true);
	int r = uplink_init (&self->uplink, source, version ? version : "", path);
	if (r) {
		free (self);
		return r;
	}
	*ret = self;
	return 0;
}

belfry_t *belfry_open (const char *source, const char *version, const char *path)
{
	int saved = errno;
	if (!path)
		path = secure_getenv ("BELFRY_SOCKET");
	if (!path || !*path)
		path = "/run/belfry/agent.sock";
	belfry_t *self = NULL;
	int r = open_checked (source, version, path, &self);
	errno = r ? -r : saved;
	return self;
}

void belfry_close (belfry_t **self_p)
{
	if (!self_p || !*self_p)
		return;
	int saved = errno;
	uplink_close (&(*self_p)->uplink);
	free (*self_p);
	*self_p = NULL;
	errno = saved;
}

void belfry_enable (belfry_t *self)
{
	if (self)
		atomic_store_explicit (&self->enabled, true, memory_order_relaxed);
}

void belfry_disable (belfry_t *self)
{
	if (self)
		atomic_store_explicit (&self->enabled, false, memory_order_relaxed);
}

/* The one load that a call costs while it is disabled. */
static inline bool on (const belfry_t *self)
{
	return self && atomic_load_explicit (&self->enabled, memory_order_relaxed);
}

bool belfry_enabled (const belfry_t *self)
{
	return on (self);
}

void belfry_counts (belfry_t *self, uint64_t *ret_queued, uint64_t *ret_dropped)
{
	uint64_t dropped = 0;
	if (self)
		uplink_counts_own (&self->uplink);
	for (size_t i = 0; self && i < UPLINK_DROPS; i++)
		dropped += atomic_load (&self->uplink.dropped[i]);
	if (ret_queued)
		*ret_queued = self ? atomic_load (&self->uplink.queued) : 0;
	if (ret_dropped)
		*ret_dropped = dropped;
}

uint64_t belfry_dropped (belfry_t *self, belfry_drop_t reason)
{
	if (!self || (unsigned) reason >= UPLINK_DROPS)
		return 0;
	uplink_counts_own (&self->uplink);
	return atomic_load (&self->uplink.dropped[reason]);
}

void belfry_last_error (belfry_t *self, char *text, size_t size)
{
	if (self && text)
		uplink_last_error (&self->uplink, text, size);
	else if (text && size)
		text[0] = '\0';
}

/* Under the severity that the agent wants. It may have changed its mind, which only a look tells. */
static bool wanted_still (belfry_t *self, int severity)
{
	uplink_hear (&self->uplink);
	return severity >= atomic_load_explicit (&self->uplink.floor, memory_order_relaxed);
}

static bool wanted (belfry_t *self, int severity)
{
	return severity >= atomic_load_explicit (&self->uplink.floor, memory_order_relaxed) ||
	       wanted_still (self, severity);
}

static void count_drop (belfry_t *self, belfry_drop_t reason)
{
	uplink_counts_own (&self->uplink);
	atomic_fetch_add_explicit (&self->uplink.dropped[reason], 1, memory_order_relaxed);
}

static belfry_outcome_t invalid (belfry_t *self, const char *why)
{
	uplink_say (&self->uplink, why);
	count_drop (self, BELFRY_DROP_INVALID);
	return BELFRY_INVALID;
}

static belfry_outcome_t event_send (belfry_t *self, Belfry__V1__Event *event)
{
	int r = uplink_send (&self->uplink, event);
	switch (r) {
	case 0:
		atomic_fetch_add_explicit (&self->uplink.queued, 1, memory_order_relaxed);
		return BELFRY_QUEUED;
	case -EMSGSIZE:
		return invalid (self, "the event is larger than the agent's socket takes");
	default:
		count_drop (self, r == -EAGAIN   ? BELFRY_DROP_FULL
		                  : r == -ENOMEM ? BELFRY_DROP_MEMORY
		                                 : BELFRY_DROP_AGENT);
		return BELFRY_DROPPED;
	}
}

static belfry_outcome_t event_with (belfry_t *self, Belfry__V1__Event *event, belfry_severity_t severity)
{
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	header.severity = (Belfry__V1__Severity) severity;
	event->header = &header;
	return event_send (self, event);
}

/* A name is taken as it is: one that was cut or repaired would be another's. */
static bool name_valid (const char *name, size_t max)
{
	size_t size = name ? strnlen (name, max + 1) : 0;
	return size > 0 && size <= max && utf8_valid (name, size);
}

/* A sentence that is in order is borrowed, else repaired in out, and cut to size with "..." at its end. */
static char *text_of (char *out, size_t size, const char *text)
{
	size_t n = text ? strnlen (text, size) : 0;
	if (n < size && utf8_valid (text, n))
		return borrow (text);
	bool cut = n == size;
	n = cut ? size - sizeof "..." : n;
	/* Not in the middle of a character. */
	for (int back = 0; cut && back < 3 && n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80; back++)
		n--;
	memcpy (out, text, n);
	utf8_make_valid (out, n);
	memcpy (out + n, cut ? "..." : "", cut ? sizeof "..." : 1);
	return out;
}

belfry_outcome_t belfry_lifecycle (belfry_t *self, belfry_lifecycle_t state, const char *reason)
{
	if (!on (self))
		return BELFRY_DISABLED;
	if (state < BELFRY_STARTING || state > BELFRY_FAILED)
		return invalid (self, "lifecycle: no such state");
	belfry_severity_t severity = state == BELFRY_FAILED ? BELFRY_ERROR : BELFRY_INFO;
	if (!wanted (self, (int) severity))
		return BELFRY_DISABLED;
	char text[DETAILS_MAX_SIZE];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle body = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	body.state = (Belfry__V1__SystemLifecycleState) state;
	body.system = self->uplink.source;
	body.version = self->uplink.version;
	body.reason = text_of (text, sizeof text, reason);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &body;
	return event_with (self, &event, severity);
}

belfry_outcome_t belfry_health (
        belfry_t *self, const char *component, belfry_status_t status, const char *details)
{
	static const belfry_severity_t severities[] = { BELFRY_INFO, BELFRY_INFO, BELFRY_WARNING,
		BELFRY_ERROR, BELFRY_WARNING };
	if (!on (self))
		return BELFRY_DISABLED;
	if (status < BELFRY_HEALTHY || status > BELFRY_UNKNOWN)
		return invalid (self, "health: no such status");
	if (!wanted (self, (int) severities[status]))
		return BELFRY_DISABLED;
	if (!name_valid (component, COMPONENT_MAX_SIZE))
		return invalid (self, "health: a component's name is UTF-8 of 1 to 128 bytes");
	char text[DETAILS_MAX_SIZE];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth body = BELFRY__V1__COMPONENT_HEALTH__INIT;
	body.component = borrow (component);
	body.status = (Belfry__V1__Status) status;
	body.details = text_of (text, sizeof text, details);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &body;
	return event_with (self, &event, severities[status]);
}

belfry_outcome_t belfry_samples (belfry_t *self, const belfry_sample_t *samples, size_t n)
{
	if (!on (self) || !wanted (self, BELFRY_INFO))
		return BELFRY_DISABLED;
	if (!samples || n == 0 || n > BELFRY_SAMPLES_MAX)
		return invalid (self, "samples: 1 to 64 of them");
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch body = BELFRY__V1__METRIC_BATCH__INIT;
	Belfry__V1__Sample made[BELFRY_SAMPLES_MAX], *list[BELFRY_SAMPLES_MAX];
	for (size_t i = 0; i < n; i++) {
		const belfry_sample_t *sample = &samples[i];
		if (!name_valid (sample->name, NAME_MAX_SIZE) ||
		        (sample->unit && *sample->unit && !name_valid (sample->unit, NAME_MAX_SIZE)))
			return invalid (
			        self, "samples: a name is UTF-8 of 1 to 255 bytes, a unit of at most 255");
		belfry__v1__sample__init (&made[i]);
		made[i].name = borrow (sample->name);
		made[i].unit = borrow (sample->unit);
		made[i].value = sample->value;
		made[i].kind = sample->counter ? BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER
		                               : BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
		if (sample->counter)
			made[i].start_time_ns =
			        sample->start_time_ns ? sample->start_time_ns : (uint64_t) self->opened.ns;
		list[i] = &made[i];
	}
	body.n_samples = n;
	body.samples = list;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &body;
	return event_with (self, &event, BELFRY_INFO);
}

belfry_outcome_t belfry_gauge (belfry_t *self, const char *name, double value, const char *unit)
{
	if (!on (self))
		return BELFRY_DISABLED;
	belfry_sample_t sample = { .name = name, .unit = unit, .value = value };
	return belfry_samples (self, &sample, 1);
}

belfry_outcome_t belfry_counter (
        belfry_t *self, const char *name, double value, const char *unit, uint64_t start_time_ns)
{
	if (!on (self))
		return BELFRY_DISABLED;
	belfry_sample_t sample = { name, unit, value, true, start_time_ns };
	return belfry_samples (self, &sample, 1);
}

belfry_outcome_t belfry_audit (
        belfry_t *self, const char *actor, const char *action, const char *target, const char *details)
{
	/* No severity keeps an audit event back. */
	if (!on (self) || !wanted (self, BELFRY_CRITICAL))
		return BELFRY_DISABLED;
	if (!actor || !*actor || !action || !*action)
		return invalid (self, "audit: who did it and what are wanted");
	char who[NAME_MAX_SIZE + 1], what[NAME_MAX_SIZE + 1], whom[NAME_MAX_SIZE + 1], text[DETAILS_MAX_SIZE];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AdminAction body = BELFRY__V1__ADMIN_ACTION__INIT;
	body.actor = text_of (who, sizeof who, actor);
	body.action = text_of (what, sizeof what, action);
	body.target = text_of (whom, sizeof whom, target);
	body.details = text_of (text, sizeof text, details);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION;
	event.admin_action = &body;
	return event_with (self, &event, BELFRY_INFO);
}

belfry_outcome_t belfry_log (belfry_t *self, belfry_severity_t level, const char *logger, const char *message)
{
	if (!on (self))
		return BELFRY_DISABLED;
	if (level < BELFRY_DEBUG || level > BELFRY_CRITICAL)
		return invalid (self, "log: no such level");
	if (!wanted (self, (int) level))
		return BELFRY_DISABLED;
	if (!message || !*message || (logger && *logger && !name_valid (logger, NAME_MAX_SIZE)))
		return invalid (self, "log: a message is wanted, and a logger's name is UTF-8 of at most 255 "
		                      "bytes");
	char text[TEXT_MAX_SIZE];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry body = BELFRY__V1__LOG_ENTRY__INIT;
	body.level = (Belfry__V1__Severity) level;
	body.logger = borrow (logger);
	body.message = text_of (text, sizeof text, message);
	body.pid = (uint32_t) getpid ();
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &body;
	return event_with (self, &event, level);
}

belfry_outcome_t belfry_send (belfry_t *self, const void *bytes, size_t size)
{
	if (!on (self) || !wanted (self, BELFRY_CRITICAL))
		return BELFRY_DISABLED;
	int saved = errno;
	Belfry__V1__Event *event =
	        bytes && size <= EVENT_MAX ? belfry__v1__event__unpack (NULL, size, bytes) : NULL;
	belfry_outcome_t outcome = event ? event_send (self, event)
	                                 : invalid (self, "no belfry.v1.Event of at most 64000 bytes");
	if (event)
		belfry__v1__event__free_unpacked (event, NULL);
	errno = saved;
	return outcome;
}

int belfry_flush (belfry_t *self, int timeout_ms)
{
	return self ? uplink_flush (&self->uplink, timeout_ms) : -EINVAL;
}
