/* caller.h - one application at the inlet: what its packets mean (wire.md, "Applications").
 *
 * A packet is an AppMessage of at most 64 KiB, the first a hello. Everything in it is looked at before
 * it is believed: its bytes, its memory, its numbers, its event, who may say such a thing, how often.
 * What a caller costs is bounded and charged to it.
 * Pure: no I/O, clock, randomness, logging or globals. One owner, not thread-safe. */

#ifndef AGENTS_CALLER_H
#define AGENTS_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/span.h"
#include "belfry/v1/app.pb-c.h"
#include "wire/arena.h"
#include "wire/publisher.h"
#include "wire/topic.h"

enum {
	CALLER_PACKET_MAX = 64 * 1024,
	CALLER_ARENA_CAP = 1024 * 1024, /* what decoding a packet may take */
	CALLER_RATE_PER_S = 1000,   /* of events; a bucket of twice that, and one more for critical ones */
	CALLER_COMPONENTS_MAX = 64, /* whose last status is remembered; beyond, the oldest is forgotten */
	CALLER_COMPONENT_NAME_MAX = 128, /* as collectors keep it (schema/README.md, "Limits") */
	CALLER_LABELS_MAX = 16,          /* its own, and uid and pid */
	CALLER_WHY_MAX = 160,
};

/* Why something is not let in. */
typedef enum {
	CALLER_MALFORMED, /* no AppMessage, another version, no hello first, above its bounds */
	CALLER_INVALID,   /* the event does not validate, is the fabric's, or says what the agent writes */
	CALLER_FORBIDDEN, /* a reserved source; audit or security from another uid */
	CALLER_RATE,
	CALLER_UNTAKEN, /* the agent could not publish it */
	CALLER_REASONS,
} caller_reason_t;

typedef struct {
	uint64_t hash;             /* of the component's name */
	uint64_t since_ns;         /* wall time */
	Belfry__V1__Status status; /* 0: free */
} caller_component_t;

typedef struct {
	uint32_t uid, pid;                 /* the kernel's word */
	bool trusted;                      /* may send audit and security events */
	char source[TOPIC_SOURCE_MAX + 1]; /* empty before the hello */
	uint64_t number;                   /* the newest of its own count */
	double tokens, critical_tokens;
	mono_t filled;
	uint64_t n_refused;      /* since the last flush */
	caller_reason_t refused; /* why, the first of them */
	char why[CALLER_WHY_MAX];
	caller_component_t *components; /* CALLER_COMPONENTS_MAX, or NULL before the first */
	unsigned oldest;                /* the next to be forgotten */
} caller_t;

typedef enum {
	CALLER_HELLO,   /* it has said who it is */
	CALLER_EVENT,   /* event and note are to be published; caller_untaken where they are not */
	CALLER_FLUSH,   /* answer and its number are to be sent */
	CALLER_REFUSED, /* reason; the connection goes on */
	CALLER_BROKEN,  /* reason; the connection is to be closed */
} caller_meaning_t;

/* What one packet said; everything in it lives in the arena, in the caller or here, until the next. */
typedef struct {
	caller_meaning_t meaning;
	caller_reason_t reason;
	uint64_t lost; /* messages that the caller's numbers say are missing before this one */
	Belfry__V1__Event *event;
	publisher_note_t note;
	Belfry__V1__AppAck answer;
	caller_component_t *component; /* that the event is about */
	char reason_text[CALLER_WHY_MAX];
	char uid[16], pid[16];
	Belfry__V1__Label stamps[2], *labels[CALLER_LABELS_MAX];
} caller_word_t;

void caller_init (caller_t *self, uint32_t uid, uint32_t pid, bool trusted, mono_t now);
/* Frees what it holds. */
void caller_clear (caller_t *self);

/* Looks at one packet. arena: of the owner's, reset here; ret: filled. A refusal is counted for the
 * next flush's answer; ret->reason_text says it. */
void caller_take (caller_t *self, arena_t *arena, span_t packet, moment_t now, caller_word_t *ret);

/* The event of word was not published after all: notes why, and forgets the status it bore. */
void caller_untaken (caller_t *self, caller_word_t *word, caller_reason_t reason, const char *why);

#endif
