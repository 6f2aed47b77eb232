/* The bytes are decoded (decode.h, which refuses what protobuf-c would hide) into an arena with a cap. An
 * event passes when everything about it is right; nothing of it is repaired. */

#include "agents/caller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/decode.h"
#include "wire/describe.h"
#include "wire/validate.h"

enum { APP_VERSION = 1, BURST = 2 * CALLER_RATE_PER_S };
/* A hole is what a socket of some MiB could not take, not what a number can say. */
#define HOLE_MAX ((uint64_t) 1 << 32)

void caller_init (caller_t *self, uint32_t uid, uint32_t pid, bool trusted, mono_t now)
{
	*self = (caller_t){ .uid = uid, .pid = pid, .trusted = trusted, .filled = now };
	self->tokens = self->critical_tokens = BURST;
}

void caller_clear (caller_t *self)
{
	free (self->components);
	self->components = NULL;
}

static void refuse (caller_t *self, caller_word_t *word, caller_meaning_t meaning, caller_reason_t reason,
        const char *why)
{
	word->meaning = meaning;
	word->reason = reason;
	snprintf (word->reason_text, sizeof word->reason_text, "%s", why);
	utf8_make_valid (word->reason_text, strlen (word->reason_text));
	if (self->n_refused++ == 0) {
		self->refused = reason;
		memcpy (self->why, word->reason_text, sizeof self->why);
	}
}

static void broken (caller_t *self, caller_word_t *word, caller_reason_t reason, const char *why)
{
	refuse (self, word, CALLER_BROKEN, reason, why);
}

static void refused (caller_t *self, caller_word_t *word, caller_reason_t reason, const char *why)
{
	refuse (self, word, CALLER_REFUSED, reason, why);
}

static bool rate_allows (caller_t *self, bool critical, mono_t now)
{
	double earned = (double) mono_since (now, self->filled) / (double) NS_PER_S * CALLER_RATE_PER_S;
	self->filled = now;
	self->tokens = self->tokens + earned > BURST ? BURST : self->tokens + earned;
	self->critical_tokens =
	        self->critical_tokens + earned > BURST ? BURST : self->critical_tokens + earned;
	double *tokens = self->tokens >= 1 || !critical ? &self->tokens : &self->critical_tokens;
	if (*tokens < 1)
		return false;
	*tokens -= 1;
	return true;
}

/* The first field of the header that the agent writes, or NULL. */
static const char *field_of_agents (const Belfry__V1__Header *header, const char *source)
{
	return *header->cluster                                          ? "cluster"
	       : *header->node                                           ? "node"
	       : *header->subject_node                                   ? "subject_node"
	       : *header->source && strcmp (header->source, source) != 0 ? "source"
	       : header->incarnation                                     ? "incarnation"
	       : header->boot_nonce                                      ? "boot_nonce"
	       : header->class_                                          ? "class"
	       : header->sequence                                        ? "sequence"
	       : header->time_ns                                         ? "time_ns"
	       : header->monotonic_ns                                    ? "monotonic_ns"
	                                                                 : NULL;
}

static bool is_stamp (const char *key)
{
	return strcmp (key, "uid") == 0 || strcmp (key, "pid") == 0;
}

/* The sender's credentials stand first; its own labels of these names are replaced. False when it has
 * more of its own than there is room for. */
static bool note_fill (const caller_t *self, const Belfry__V1__Header *header, caller_word_t *word)
{
	static char uid_key[] = "uid", pid_key[] = "pid";
	publisher_note_t *note = &word->note;
	note->source = self->source;
	snprintf (word->uid, sizeof word->uid, "%u", (unsigned) self->uid);
	snprintf (word->pid, sizeof word->pid, "%u", (unsigned) self->pid);
	for (size_t i = 0; i < 2; i++) {
		belfry__v1__label__init (&word->stamps[i]);
		word->stamps[i].key = i ? pid_key : uid_key;
		word->stamps[i].value = i ? word->pid : word->uid;
		word->labels[i] = &word->stamps[i];
	}
	note->labels = word->labels;
	note->n_labels = 2;
	if (!header)
		return true;
	note->severity = header->severity;
	note->correlation_id = *header->correlation_id ? header->correlation_id : NULL;
	for (size_t i = 0; i < header->n_labels; i++) {
		if (is_stamp (header->labels[i]->key))
			continue;
		if (note->n_labels == CALLER_LABELS_MAX)
			return false;
		word->labels[note->n_labels++] = header->labels[i];
	}
	return true;
}

/* FNV-1a. Two names of one caller that collide cost that caller alone. */
static uint64_t hash_of (const char *name)
{
	uint64_t hash = UINT64_C (0xcbf29ce484222325);
	for (; *name; name++)
		hash = (hash ^ (unsigned char) *name) * UINT64_C (0x100000001b3);
	return hash;
}

/* What is remembered of a component, or a fresh entry; NULL without memory. */
static caller_component_t *component_find (caller_t *self, uint64_t hash)
{
	if (!self->components)
		self->components = calloc (CALLER_COMPONENTS_MAX, sizeof *self->components);
	if (!self->components)
		return NULL;
	for (unsigned i = 0; i < CALLER_COMPONENTS_MAX; i++) {
		if (self->components[i].status && self->components[i].hash == hash)
			return &self->components[i];
	}
	caller_component_t *fresh = &self->components[self->oldest];
	self->oldest = (self->oldest + 1) % CALLER_COMPONENTS_MAX;
	*fresh = (caller_component_t){ .hash = hash };
	return fresh;
}

/* An application says how a component is; whether that is a change, and since when it is so, is known
 * here. What is not remembered counts as a change: it is kept rather than lost. */
static void component_take (
        caller_t *self, Belfry__V1__ComponentHealth *health, moment_t now, caller_word_t *word)
{
	caller_component_t *component = component_find (self, hash_of (health->component));
	word->note.changed = !component || component->status != health->status;
	if (component) {
		if (!health->previous_status)
			health->previous_status = component->status;
		if (word->note.changed)
			component->since_ns = health->since_ns ? health->since_ns : (uint64_t) now.wall.ns;
		component->status = health->status;
		word->component = component;
	}
	if (!health->since_ns)
		health->since_ns = component ? component->since_ns : (uint64_t) now.wall.ns;
}

static bool is_critical (const Belfry__V1__Event *event)
{
	Belfry__V1__Severity severity = event_payload_severity (event);
	if (!severity && event->header)
		severity = event->header->severity;
	return severity == BELFRY__V1__SEVERITY__SEVERITY_CRITICAL;
}

static void event_take (caller_t *self, Belfry__V1__Event *event, moment_t now, caller_word_t *word)
{
	const event_type_t *type = event ? event_type_of (event) : NULL;
	err_t err = { "" };
	if (!type || type->channel == CHANNEL_FABRIC) {
		refused (self, word, CALLER_INVALID, "an event without a payload of the nine channels");
		return;
	}
	if (!rate_allows (self, is_critical (event), now.mono)) {
		refused (self, word, CALLER_RATE, "above the 1000 events a second of one application");
		return;
	}
	if ((type->channel == CHANNEL_AUDIT || type->channel == CHANNEL_SECURITY) && !self->trusted) {
		refused (self, word, CALLER_FORBIDDEN,
		        "audit and security events come from the uids in audit_uids only");
		return;
	}
	const char *wrong = event->header ? field_of_agents (event->header, self->source) : NULL;
	if (wrong) {
		snprintf (err.text, sizeof err.text,
		        "Header.%s is the agent's to write; an application gives severity, correlation_id "
		        "and "
		        "labels",
		        wrong);
		refused (self, word, CALLER_INVALID, err.text);
		return;
	}
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH &&
	        event->metric_batch->catalogue_hash) {
		refused (self, word, CALLER_INVALID,
		        "MetricBatch.catalogue_hash: an application sends named samples");
		return;
	}
	if (event_validate_payload (event, &err)) {
		refused (self, word, CALLER_INVALID, err.text);
		return;
	}
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH &&
	        strlen (event->component_health->component) > CALLER_COMPONENT_NAME_MAX) {
		refused (self, word, CALLER_INVALID,
		        "ComponentHealth.component is longer than the 128 bytes that collectors keep");
		return;
	}
	if (!note_fill (self, event->header, word)) {
		refused (self, word, CALLER_INVALID, "Header.labels: more than 14 besides uid and pid");
		return;
	}
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH)
		component_take (self, event->component_health, now, word);
	event->header = NULL; /* the publisher writes its own */
	word->event = event;
	word->meaning = CALLER_EVENT;
}

/* What was refused since the flush before this one, and why. */
static void flush_take (caller_t *self, uint64_t number, caller_word_t *word)
{
	bool no = self->refused == CALLER_FORBIDDEN || self->refused == CALLER_INVALID;
	Belfry__V1__AppAck *answer = &word->answer;
	word->meaning = CALLER_FLUSH;
	belfry__v1__app_ack__init (answer);
	answer->number = number;
	answer->outcome = self->n_refused == 0 ? BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED
	                  : no                 ? BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED
	                                       : BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED;
	if (self->n_refused) {
		memcpy (word->reason_text, self->why, sizeof word->reason_text);
		answer->reason = word->reason_text;
	}
	self->n_refused = 0;
}

/* The agent's own sources: its stores' are `store.NAME`. */
static bool reserved (span_t source)
{
	static const char *const names[] = { "agent", "collector", "store" };
	const char *text = source.data;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t size = strlen (names[i]);
		if (source.size >= size && memcmp (text, names[i], size) == 0 &&
		        (source.size == size || text[size] == '.'))
			return true;
	}
	return false;
}

static void hello_take (caller_t *self, const Belfry__V1__AppMessage *message, caller_word_t *word)
{
	span_t source = span_str (
	        message->body_case == BELFRY__V1__APP_MESSAGE__BODY_HELLO ? message->hello->source : "");
	if (!topic_name_valid (source, TOPIC_SOURCE_MAX)) {
		broken (self, word, CALLER_MALFORMED,
		        "the first message is no hello with a valid source name");
		return;
	}
	if (reserved (source)) {
		broken (self, word, CALLER_FORBIDDEN,
		        "the sources agent, collector and store, and what begins with them and a dot, are "
		        "reserved");
		return;
	}
	memcpy (self->source, source.data, source.size);
	self->source[source.size] = '\0';
	self->number = message->number;
	word->meaning = CALLER_HELLO;
}

static void message_take (
        caller_t *self, const Belfry__V1__AppMessage *message, moment_t now, caller_word_t *word)
{
	if (message->version != APP_VERSION) {
		broken (self, word, CALLER_MALFORMED, "an AppMessage of another version than 1");
		return;
	}
	if (!self->source[0]) {
		hello_take (self, message, word);
		return;
	}
	if (message->number > self->number) {
		word->lost = message->number - self->number - 1;
		self->number = message->number;
	}
	if (word->lost > HOLE_MAX) {
		word->lost = 0;
		broken (self, word, CALLER_MALFORMED, "a number far beyond the one before it");
		return;
	}
	switch (message->body_case) {
	case BELFRY__V1__APP_MESSAGE__BODY_EVENT:
		event_take (self, message->event->event, now, word);
		break;
	case BELFRY__V1__APP_MESSAGE__BODY_FLUSH:
		flush_take (self, message->number, word);
		break;
	default:
		broken (self, word, CALLER_MALFORMED, "a message that applications do not send");
	}
}

void caller_take (caller_t *self, arena_t *arena, span_t packet, moment_t now, caller_word_t *ret)
{
	static const char *const wrongs[] = { "", "no AppMessage", "a string with a NUL",
		"a field that comes twice" };
	memset (ret, 0, sizeof *ret);
	if (packet.size > CALLER_PACKET_MAX) {
		broken (self, ret, CALLER_MALFORMED, "a message above 64 KiB");
		return;
	}
	arena_reset (arena);
	ProtobufCMessage *message = NULL;
	int r = packet.size ? decode_message (&belfry__v1__app_message__descriptor, packet, arena, &message)
	                    : DECODE_E_MALFORMED;
	if (r < 0)
		broken (self, ret, CALLER_MALFORMED, "a message that takes more than 1 MiB when decoded");
	else if (r)
		broken (self, ret, CALLER_MALFORMED, wrongs[r]);
	else
		message_take (self, (const Belfry__V1__AppMessage *) message, now, ret);
}

void caller_untaken (caller_t *self, caller_word_t *word, caller_reason_t reason, const char *why)
{
	if (word->component)
		*word->component = (caller_component_t){ 0 };
	refused (self, word, reason, why);
}
