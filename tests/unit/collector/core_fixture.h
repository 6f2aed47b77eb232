/* core_fixture.h - a signer, what it said, and a core that hears it, without a socket or a clock. */

#ifndef TESTS_UNIT_COLLECTOR_CORE_FIXTURE_H
#define TESTS_UNIT_COLLECTOR_CORE_FIXTURE_H

#include "archive.h"
#include "collector/core.h"
#include "wire/control.h"
#include "wire/publisher.h"

/* One sealed message, malloc'ed. */
typedef struct {
	uint8_t topic[128], *envelope;
	size_t topic_size, envelope_size;
} message_t;

void message_free (message_t *self);

/* A keyring with one cluster secret under epoch 1; other: with another secret. */
keyring_t *fixture_keyring (bool other);

/* An agent's publisher; its newest message is in last. */
typedef struct {
	publisher_t *publisher;
	keyring_t *keyring;
	message_t last;
	size_t n;
} signer_t;

/* keyed false: unsigned. other: signed with another cluster's secret. */
signer_t *signer_new (
        const char *cluster, const char *node, uint64_t incarnation, uint64_t nonce, bool keyed, bool other);
void signer_free (signer_t *self);
/* Each makes self->last. */
void signer_samples (signer_t *self, moment_t now);
void signer_health (signer_t *self, Belfry__V1__Status status, moment_t now);
void signer_component (
        signer_t *self, const char *source, const char *component, Belfry__V1__Status status, moment_t now);
void signer_beat (signer_t *self, uint64_t newest_volatile, uint64_t newest_durable, moment_t now);
void signer_lifecycle (
        signer_t *self, Belfry__V1__SystemLifecycleState state, const char *reason, moment_t now);
void signer_event (signer_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now);

/* A core with everything that it put out. */
typedef struct {
	core_t *core;
	keyring_t *keyring;
	struct rule_set *rules; /* in force */
	moment_t now;
	message_t published[512];
	mark_t marks[512]; /* of those; offset 0: without one */
	size_t n_published;
	archive_t *archive;
	journal_batch_t *batch; /* the commit that was asked for, or NULL */
	bool hold_commits;      /* it is answered by fixture_commit only */
	struct {
		bool asked, chain, busy; /* busy: the next one is turned away */
		uint8_t peer[16];
		size_t peer_size;
		uint64_t id;
		uint32_t deadline_ms;
		core_page_t page;
	} reading;
	struct {
		uint8_t peer[16], *bytes;
		size_t peer_size, size;
	} answers[512];
	size_t n_answers;
	char said[64][512];
	size_t n_said;
	uint64_t incarnation;
} fixture_t;

/* With the shipped rules. */
fixture_t *fixture_new (bool keyed);
/* The shipped rules and those of the text, as after a SIGHUP. */
void fixture_rules (fixture_t *self, const char *text);
void fixture_free (fixture_t *self);
/* The port behind its core, for another one. */
core_port_t fixture_port (fixture_t *self);
/* Time passes in steps of 20 ms. */
void fixture_pass (fixture_t *self, int64_t ns);
/* The same while signer beats every 200 ms, heard over descriptor 7. */
void fixture_live (fixture_t *self, signer_t *signer, int64_t ns);
refusal_t fixture_take (fixture_t *self, const message_t *message);
/* Flushes, and commits what is asked for; while commits are held only what was asked for before. */
void fixture_flush (fixture_t *self);
void fixture_commit (fixture_t *self);
/* The collector ends, with its goodbye or killed, and begins again down_ns later with what its journal has. */
void fixture_restart (fixture_t *self, bool killed, int64_t down_ns);
/* What node has sent again. oldest: as in Hello. */
void fixture_resend (fixture_t *self, const signer_t *signer, const char *node, const message_t *messages,
        size_t n, uint64_t oldest);
/* Asks the journal, as a viewer, and waits for what is answered; the caller frees it. */
Belfry__V1__Control *fixture_read (fixture_t *self, Belfry__V1__JournalRead *asked);
/* The newest answer, decoded; the caller frees it. */
Belfry__V1__Control *fixture_answer (const fixture_t *self);
/* The newest published event with that payload, decoded; the caller frees it. NULL: none. */
Belfry__V1__Event *fixture_published (const fixture_t *self, unsigned payload_case);
size_t fixture_count (const fixture_t *self, unsigned payload_case);
bool fixture_said (const fixture_t *self, const char *part);

/* Sends a control frame as node (NULL: an unsigned viewer), and decodes the newest answer, which the
 * caller frees. keyring NULL: unsigned. */
Belfry__V1__Control *fixture_ask (
        fixture_t *self, Belfry__V1__Control *control, keyring_t *keyring, const char *node);
/* The status of everything, from an unsigned request. The caller frees it. */
Belfry__V1__Control *fixture_status (fixture_t *self, const char *node);
/* The state of the alert of that name about that node ("": the cluster) in the status; 0: there is none. */
Belfry__V1__AlertState fixture_alert (fixture_t *self, const char *name, const char *node);
/* The state of that node in the status. */
Belfry__V1__NodeState fixture_state (fixture_t *self, const char *node);
/* As a reason is counted in the status. */
uint64_t fixture_refused (fixture_t *self, refusal_t reason);
/* Welcomed (or not) as the agent behind signer. */
Belfry__V1__Control *fixture_hello (fixture_t *self, const signer_t *signer, const char *node,
        uint64_t incarnation, uint64_t nonce, const char *peer_address);

#endif
