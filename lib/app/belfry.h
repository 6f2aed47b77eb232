/* belfry.h - libbelfry: what an application says of itself, through the agent of its node.
 *
 * No call blocks (belfry_flush apart, for as long as it is told), none fails its host: each returns
 * what became of the event, and that may be ignored. Without an agent, with its socket full or while
 * disabled, events are dropped; but for the disabled ones they are counted by reason, and the agent
 * sees as a hole what did not reach it. A call while disabled costs one load. errno is left alone.
 *
 * Thread-safe; not for signal handlers. After fork the child's calls open a connection of the
 * child's own and count from zero; the parent's is untouched. A NULL belfry_t is taken by every call
 * and is disabled: an application may go on without asking whether belfry_open worked. No ZeroMQ
 * inside. Units: durations in nanoseconds, sizes in bytes, ratios 0..1. Texts that may be NULL are ""
 * then. Names (of components, samples, loggers) are valid UTF-8 of 1 to 255 bytes (components: 128); in
 * sentences what is no UTF-8 is replaced and what is too long is cut and ends in "...". */

#ifndef BELFRY_H
#define BELFRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BELFRY_API __attribute__ ((visibility ("default")))

typedef struct belfry belfry_t;

typedef enum {
	BELFRY_QUEUED = 0,   /* with the agent's socket */
	BELFRY_DISABLED = 1, /* belfry_disable, or below the severity that the agent wants; not counted */
	BELFRY_DROPPED = 2,  /* no agent, its socket is full, no memory: counted, belfry_dropped */
	BELFRY_INVALID = 3,  /* an argument breaks a bound: counted, see belfry_last_error */
} belfry_outcome_t;

/* Why an event did not reach the agent's socket. */
typedef enum {
	BELFRY_DROP_AGENT = 0,   /* nobody listens, or it ended the connection less than 1 s ago */
	BELFRY_DROP_FULL = 1,    /* the agent does not read as fast as this application writes */
	BELFRY_DROP_INVALID = 2, /* BELFRY_INVALID was returned */
	BELFRY_DROP_MEMORY = 3,
} belfry_drop_t;

typedef enum {
	BELFRY_DEBUG = 1,
	BELFRY_INFO = 2,
	BELFRY_WARNING = 3,
	BELFRY_ERROR = 4,
	BELFRY_CRITICAL = 5,
} belfry_severity_t;

typedef enum {
	BELFRY_HEALTHY = 1,
	BELFRY_DEGRADED = 2,
	BELFRY_UNHEALTHY = 3,
	BELFRY_UNKNOWN = 4,
} belfry_status_t;

typedef enum {
	BELFRY_STARTING = 1,
	BELFRY_STARTED = 2,
	BELFRY_STOPPING = 3,
	BELFRY_STOPPED = 4,
	BELFRY_FAILED = 5,
} belfry_lifecycle_t;

/* Opens source's way to the agent. source: [A-Za-z0-9._-], a letter or digit first, at most 32;
 * agent, collector and store, and what begins with them and a dot, are reserved. version may be NULL. socket
 * NULL: BELFRY_SOCKET from the environment, else /run/belfry/agent.sock. Connecting is tried at once and then
 * once a second by the calls that follow: an agent that is not there yet is no failure. NULL with errno
 * EINVAL (source, or an abstract socket), ENAMETOOLONG (socket above 107 bytes), ENOMEM. */
BELFRY_API belfry_t *belfry_open (const char *source, const char *version, const char *socket);
/* Frees and nulls. NULL-safe. What is queued is with the agent already. No other thread may be in a
 * call. */
BELFRY_API void belfry_close (belfry_t **self_p);

/* At run time, from any thread. Enabled at first. */
BELFRY_API void belfry_enable (belfry_t *self);
BELFRY_API void belfry_disable (belfry_t *self);
BELFRY_API bool belfry_enabled (const belfry_t *self);

/* system/SystemLifecycle of the application: say `started` when it is true. reason may be NULL. */
BELFRY_API belfry_outcome_t belfry_lifecycle (belfry_t *self, belfry_lifecycle_t state, const char *reason);

/* health/ComponentHealth. details may be NULL. Say it as often as is convenient: the agent knows what
 * changed, and keeps that. */
BELFRY_API belfry_outcome_t belfry_health (
        belfry_t *self, const char *component, belfry_status_t status, const char *details);

/* metrics/MetricBatch with one named sample. unit: "seconds", "bytes", "ratio" or NULL. */
BELFRY_API belfry_outcome_t belfry_gauge (belfry_t *self, const char *name, double value, const char *unit);
/* value: the total since start_time_ns (UTC); 0: since belfry_open. */
BELFRY_API belfry_outcome_t belfry_counter (
        belfry_t *self, const char *name, double value, const char *unit, uint64_t start_time_ns);

/* Several samples as one event, which costs little more than one. */
typedef struct {
	const char *name, *unit; /* unit may be NULL */
	double value;
	bool counter;           /* else a gauge */
	uint64_t start_time_ns; /* of a counter; 0: since belfry_open */
} belfry_sample_t;
#define BELFRY_SAMPLES_MAX 64
/* n: 1..BELFRY_SAMPLES_MAX. All or none. */
BELFRY_API belfry_outcome_t belfry_samples (belfry_t *self, const belfry_sample_t *samples, size_t n);

/* audit/AdminAction: only from the uids that the agent's configuration names. actor and action are
 * wanted; what is wrong in their UTF-8 is replaced, for an audit event is better kept than refused. */
BELFRY_API belfry_outcome_t belfry_audit (
        belfry_t *self, const char *actor, const char *action, const char *target, const char *details);

/* logging/LogEntry. logger may be NULL. */
BELFRY_API belfry_outcome_t belfry_log (
        belfry_t *self, belfry_severity_t level, const char *logger, const char *message);

/* Any other event: the bytes of a belfry.v1.Event with its payload and, of the header, at most
 * severity, correlation_id and labels. At most 64,000 bytes. */
BELFRY_API belfry_outcome_t belfry_send (belfry_t *self, const void *event, size_t size);

/* Waits until the agent has taken everything before, at most timeout_ms. 0; -ETIMEDOUT; -ENOTCONN
 * without an agent, or when it ended the connection meanwhile; since the last flush: -EPERM when the
 * agent refused something, -EBADMSG when it could not take something, -ECONNRESET when it ended a
 * connection without having confirmed all that was queued (belfry_last_error says more). -EINVAL for
 * NULL. The one call that may wait. */
BELFRY_API int belfry_flush (belfry_t *self, int timeout_ms);

/* Since belfry_open: queued, and dropped or invalid. Either may be NULL. */
BELFRY_API void belfry_counts (belfry_t *self, uint64_t *ret_queued, uint64_t *ret_dropped);
/* Of the dropped, those for that reason. */
BELFRY_API uint64_t belfry_dropped (belfry_t *self, belfry_drop_t reason);
/* The newest refusal in words, or why there is no agent to be reached, copied into text; "" when there was
 * neither. */
BELFRY_API void belfry_last_error (belfry_t *self, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
