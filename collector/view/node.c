/* The table maps names to nodes by open addressing; nodes themselves never move, since topics and the
 * detector point to them. */

#include "collector/view/node.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nodes {
	node_t **list;    /* by index */
	uint32_t *places; /* index + 1; twice as many as list has room */
	node_t **changed; /* as much room as list */
	uint32_t n, room, max, n_changed;
	catalogues_t *catalogues;
};

static uint64_t hash_of (span_t name)
{
	const uint8_t *bytes = name.data;
	uint64_t h = UINT64_C (14695981039346656037);
	for (size_t i = 0; i < name.size; i++)
		h = (h ^ bytes[i]) * UINT64_C (1099511628211);
	return h ^ h >> 32;
}

int nodes_new (uint32_t max, catalogues_t *catalogues, nodes_t **ret)
{
	nodes_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->max = max ? max : NODES_MAX_DEFAULT;
	self->catalogues = catalogues;
	*ret = self;
	return 0;
}

static void component_free (component_t *component)
{
	free (component->name);
	free (component->details);
}

static void node_free (node_t *self, catalogues_t *catalogues)
{
	for (uint32_t i = 0; i < self->n_sources; i++) {
		values_clear (&self->sources[i]->values, catalogues);
		free (self->sources[i]);
	}
	for (uint32_t i = 0; i < self->n_components; i++)
		component_free (&self->components[i]);
	free (self->sources);
	free (self->components);
	for (uint32_t i = 0; i < self->n_evidence; i++)
		free (self->evidence[i]);
	free (self->peers);
	ledger_clear (&self->ledger);
	free (self);
}

void nodes_destroy (nodes_t **self_p)
{
	nodes_t *self = *self_p;
	if (!self)
		return;
	for (uint32_t i = 0; i < self->n; i++)
		node_free (self->list[i], self->catalogues);
	free (self->list);
	free (self->changed);
	free (self->places);
	free (self);
	*self_p = NULL;
}

/* Where name is, or would be put. */
static uint32_t *place_of (const nodes_t *self, span_t name)
{
	uint32_t mask = self->room * 2 - 1;
	for (uint32_t i = (uint32_t) hash_of (name) & mask;; i = (i + 1) & mask) {
		uint32_t *place = &self->places[i];
		if (*place == 0)
			return place;
		const node_t *node = self->list[*place - 1];
		if (span_equal (name, span_of (node->name, node->name_size)))
			return place;
	}
}

node_t *nodes_find (const nodes_t *self, span_t name)
{
	if (self->n == 0)
		return NULL;
	uint32_t place = *place_of (self, name);
	return place ? self->list[place - 1] : NULL;
}

uint32_t nodes_count (const nodes_t *self)
{
	return self->n;
}
node_t *nodes_at (const nodes_t *self, uint32_t index)
{
	return self->list[index];
}

static int nodes_grow (nodes_t *self)
{
	uint32_t room = self->room ? self->room * 2 : 64;
	uint32_t *places = calloc ((size_t) room * 2, sizeof *places);
	node_t **list = places ? realloc (self->list, room * sizeof (node_t *)) : NULL;
	if (list)
		self->list = list;
	node_t **changed = list ? realloc (self->changed, room * sizeof (node_t *)) : NULL;
	if (changed)
		self->changed = changed;
	if (!changed) {
		free (places);
		return -ENOMEM;
	}
	free (self->places);
	self->places = places;
	self->room = room;
	for (uint32_t i = 0; i < self->n; i++)
		*place_of (self, span_of (list[i]->name, list[i]->name_size)) = i + 1;
	return 0;
}

int nodes_get (nodes_t *self, span_t name, node_t **ret)
{
	node_t *node = nodes_find (self, name);
	if (node) {
		*ret = node;
		return 0;
	}
	if (self->n >= self->max)
		return NODES_E_LIMIT;
	if (self->n == self->room && nodes_grow (self))
		return -ENOMEM;
	node = calloc (1, sizeof *node);
	if (!node)
		return -ENOMEM;
	memcpy (node->name, name.data, name.size);
	node->name_size = (uint8_t) name.size;
	node->index = self->n;
	node->status = BELFRY__V1__STATUS__STATUS_UNKNOWN;
	node->state = BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN;
	node->load1 = node->load5 = node->load15 = NAN;
	node->cpu_used_ratio = node->memory_used_ratio = node->disk_used_ratio = NAN;
	node->cpu_pressure_ratio = node->memory_pressure_ratio = node->io_pressure_ratio = NAN;
	sequence_init (&node->volatiles, SEQUENCE_INCREASING);
	self->list[self->n] = node;
	*place_of (self, name) = ++self->n;
	*ret = node;
	return 0;
}

void nodes_remember (nodes_t *self, node_t *node)
{
	if (!node->remember)
		self->changed[self->n_changed++] = node;
	node->remember = true;
}

node_t *const *nodes_changed (const nodes_t *self, uint32_t *ret_n)
{
	*ret_n = self->n_changed;
	return self->changed;
}

void nodes_remembered (nodes_t *self)
{
	while (self->n_changed)
		self->changed[--self->n_changed]->remember = false;
}

int node_begin (node_t *self, uint64_t incarnation, uint64_t boot_nonce, bool from_first)
{
	account_t *account;
	if (ledger_open (&self->ledger, incarnation, boot_nonce, incarnation, &account))
		return -ENOMEM;
	self->lost_volatile_before += sequence_lost (&self->volatiles);
	self->incarnation = incarnation;
	self->boot_nonce = boot_nonce;
	self->volatile_mark = 0;
	sequence_init (&self->volatiles, SEQUENCE_INCREASING);
	if (from_first)
		sequence_begin (&self->volatiles, 1);
	memset (self->binding, 0, sizeof self->binding);
	self->welcomed = false;
	return 0;
}

int node_note_volatile (node_t *self, uint64_t sequence)
{
	return sequence <= self->volatile_mark ? SEQUENCE_E_SEEN : sequence_note (&self->volatiles, sequence);
}

uint64_t node_newest_volatile (const node_t *self)
{
	return self->volatiles.newest > self->volatile_mark ? self->volatiles.newest : self->volatile_mark;
}

uint64_t node_lost_volatile (const node_t *self)
{
	return self->lost_volatile_before + sequence_lost (&self->volatiles);
}

uint64_t node_pending_durable (const node_t *self)
{
	uint64_t pending = 0;
	for (uint32_t i = 0; i < self->ledger.n; i++)
		pending += account_pending (&self->ledger.accounts[i]);
	return pending;
}

int node_source (node_t *self, span_t name, source_t **ret)
{
	for (uint32_t i = 0; i < self->n_sources; i++) {
		if (span_is (name, self->sources[i]->name)) {
			*ret = self->sources[i];
			return 0;
		}
	}
	if (self->n_sources == NODE_SOURCES_MAX)
		return NODES_E_LIMIT;
	if ((self->n_sources & (self->n_sources - 1)) == 0) {
		uint32_t room = self->n_sources ? self->n_sources * 2 : 1;
		source_t **grown = realloc (self->sources, room * sizeof (source_t *));
		if (!grown)
			return -ENOMEM;
		self->sources = grown;
	}
	/* Topics point at sources, so they never move. */
	source_t *source = calloc (1, sizeof *source);
	if (!source)
		return -ENOMEM;
	memcpy (source->name, name.data, name.size);
	self->sources[self->n_sources++] = source;
	*ret = source;
	return 0;
}

bool node_newer (uint64_t *incarnation_p, uint64_t *monotonic_p, uint64_t incarnation, uint64_t monotonic_ns)
{
	if (incarnation < *incarnation_p || (incarnation == *incarnation_p && monotonic_ns <= *monotonic_p))
		return false;
	*incarnation_p = incarnation;
	*monotonic_p = monotonic_ns;
	return true;
}

static void text_set (char *out, size_t size, const char *text)
{
	size_t n = strlen (text);
	if (n >= size) {
		/* Never inside a UTF-8 sequence. */
		for (n = size - 1; n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80;)
			n--;
	}
	memcpy (out, text, n);
	out[n] = '\0';
}

static int badness (Belfry__V1__Status status)
{
	switch (status) {
	case BELFRY__V1__STATUS__STATUS_HEALTHY:
		return 0;
	case BELFRY__V1__STATUS__STATUS_UNKNOWN:
		return 1;
	case BELFRY__V1__STATUS__STATUS_DEGRADED:
		return 2;
	default:
		return 3;
	}
}

bool node_health (
        node_t *self, const Belfry__V1__NodeHealth *health, uint64_t incarnation, uint64_t monotonic_ns)
{
	if (!node_newer (&self->health_incarnation, &self->health_monotonic_ns, incarnation, monotonic_ns))
		return false;
	bool changed = self->status != health->status;
	self->status = health->status;
	self->status_since_ns = health->since_ns;
	self->load1 = health->has_load1_case ? health->load1 : NAN;
	self->load5 = health->has_load5_case ? health->load5 : NAN;
	self->load15 = health->has_load15_case ? health->load15 : NAN;
	self->cpu_used_ratio = health->has_cpu_used_ratio_case ? health->cpu_used_ratio : NAN;
	self->memory_used_ratio = health->has_memory_used_ratio_case ? health->memory_used_ratio : NAN;
	self->disk_used_ratio = health->has_disk_used_ratio_case ? health->disk_used_ratio : NAN;
	const Belfry__V1__Pressure *p = health->pressure;
	self->cpu_pressure_ratio = p && p->has_cpu_some_ratio_case ? p->cpu_some_ratio : NAN;
	self->memory_pressure_ratio = p && p->has_memory_some_ratio_case ? p->memory_some_ratio : NAN;
	self->io_pressure_ratio = p && p->has_io_some_ratio_case ? p->io_some_ratio : NAN;
	const Belfry__V1__Check *worst = NULL;
	for (size_t i = 0; i < health->n_checks; i++) {
		const Belfry__V1__Check *check = health->checks[i];
		if (badness (check->status) > (worst ? badness (worst->status) : 0))
			worst = check;
	}
	if (worst) {
		char text[2 * NODE_DETAILS_MAX];
		snprintf (text, sizeof text, "%.128s: %.256s", worst->name, worst->message);
		text_set (self->complaint, sizeof self->complaint, text);
	} else {
		self->complaint[0] = '\0';
	}
	return changed;
}

component_t *node_component_find (const node_t *self, const char *name)
{
	for (uint32_t i = 0; i < self->n_components; i++) {
		if (strcmp (self->components[i].name, name) == 0)
			return &self->components[i];
	}
	return NULL;
}

static int component_new (node_t *self, const char *name, span_t source, component_t **ret)
{
	if (self->n_components == NODE_COMPONENTS_MAX || strlen (name) > NODE_COMPONENT_NAME_MAX)
		return NODES_E_LIMIT;
	if ((self->n_components & (self->n_components - 1)) == 0) {
		uint32_t room = self->n_components ? self->n_components * 2 : 1;
		component_t *grown = realloc (self->components, room * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		self->components = grown;
	}
	component_t component = { .name = strdup (name), .status = BELFRY__V1__STATUS__STATUS_UNSPECIFIED };
	if (!component.name)
		return -ENOMEM;
	memcpy (component.source, source.data, source.size);
	self->components[self->n_components] = component;
	*ret = &self->components[self->n_components++];
	return 0;
}

int node_component_restore (node_t *self, const char *name, const char *source, component_t **ret)
{
	span_t from = span_str (source);
	if (from.size > TOPIC_SOURCE_MAX || node_component_find (self, name))
		return NODES_E_LIMIT;
	return component_new (self, name, from, ret);
}

int node_component (node_t *self, const Belfry__V1__ComponentHealth *health, span_t source,
        uint64_t incarnation, uint64_t monotonic_ns, component_t **ret, bool *ret_changed)
{
	component_t *component = node_component_find (self, health->component);
	*ret_changed = false;
	if (!component) {
		int r = component_new (self, health->component, source, &component);
		if (r)
			return r;
	}
	*ret = component;
	/* A name belongs to the source that used it first: an application does not speak for a store. */
	if (!span_is (source, component->source))
		return NODES_E_LIMIT;
	if (!node_newer (&component->incarnation, &component->monotonic_ns, incarnation, monotonic_ns))
		return 0;
	if (health->details[0] != '\0' || component->details) {
		char details[NODE_DETAILS_MAX + 1];
		text_set (details, sizeof details, health->details);
		if (!component->details || strcmp (component->details, details) != 0) {
			char *copy = strdup (details);
			if (copy) {
				free (component->details);
				component->details = copy;
			}
		}
	}
	*ret_changed = component->status != health->status;
	component->status = health->status;
	component->since_ns = health->since_ns;
	component->published = BELFRY__V1__STATUS__STATUS_UNSPECIFIED;
	return 0;
}

void node_beat (node_t *self, const Belfry__V1__Heartbeat *beat, mono_t now)
{
	self->beat = now;
	self->beat_interval_ns = beat->interval_ns;
	self->scheduling_delay_ns = beat->scheduling_delay_ns;
	self->spool_events = beat->spool_events;
	self->spool_bytes = beat->spool_bytes;
	self->spool_oldest_age_ns = beat->spool_oldest_age_ns;
	/* Beats may come faster than they bind: a second one waits behind the first, and each further
	 * one takes the second's place; the first still binds in time, so some always does. */
	node_bind (self, now);
	binding_t binding = { beat->newest_volatile, beat->newest_durable, mono_add (now, 200 * NS_PER_MS),
		true };
	if (!self->binding[0].set)
		self->binding[0] = binding;
	else
		self->binding[1] = binding;
}

void node_bind (node_t *self, mono_t now)
{
	while (self->binding[0].set && self->binding[0].due.ns <= now.ns) {
		account_t *account = ledger_account (&self->ledger, self->incarnation);
		sequence_bind (&self->volatiles, self->binding[0].newest_volatile);
		if (account && account->bound < self->binding[0].newest_durable)
			account->bound = self->binding[0].newest_durable;
		self->binding[0] = self->binding[1];
		self->binding[1].set = false;
	}
}

void node_verdict (node_t *self, Belfry__V1__NodeState state, Belfry__V1__NodeKind kind, uint64_t since_ns,
        const char *const *evidence, size_t n_evidence)
{
	self->state = state;
	self->kind = kind;
	self->state_since_ns = since_ns;
	while (self->n_evidence)
		free (self->evidence[--self->n_evidence]);
	for (size_t i = 0; i < n_evidence && i < NODE_EVIDENCE_MAX; i++) {
		char *copy = strdup (evidence[i]);
		if (copy)
			self->evidence[self->n_evidence++] = copy;
	}
}

void node_observe (node_t *self, const Belfry__V1__PeerObservation *observation, mono_t now)
{
	if (strlen (observation->target) > TOPIC_NODE_MAX)
		return;
	if (!self->peers && !(self->peers = calloc (NODE_PEERS_MAX, sizeof *self->peers)))
		return;
	uint32_t at = 0;
	for (uint32_t i = 0; i < self->n_peers; i++) {
		if (strcmp (self->peers[i].target, observation->target) == 0) {
			at = i;
			goto found;
		}
		if (self->peers[i].at.ns < self->peers[at].at.ns)
			at = i;
	}
	if (self->n_peers < NODE_PEERS_MAX)
		at = self->n_peers++;
found:
	text_set (self->peers[at].target, sizeof self->peers[at].target, observation->target);
	self->peers[at].rtt_ns = observation->rtt_ns;
	self->peers[at].age_ns = observation->age_ns;
	self->peers[at].state = observation->state;
	self->peers[at].at = now;
}

void node_expire (node_t *self, catalogues_t *catalogues, mono_t now)
{
	for (uint32_t i = 0; i < self->n_sources; i++)
		values_expire (
		        &self->sources[i]->values, now, catalogues, &self->values_bytes, &self->values_lost);
	for (uint32_t i = 0; i < self->n_peers;) {
		/* A target that left this node's roster. */
		if (mono_since (now, self->peers[i].at) > 30 * NS_PER_S)
			self->peers[i] = self->peers[--self->n_peers];
		else
			i++;
	}
}

bool node_wants_catalogues (const node_t *self)
{
	for (uint32_t i = 0; i < self->n_sources; i++) {
		if (values_wait (&self->sources[i]->values))
			return true;
	}
	return false;
}

bool node_figure (const node_t *self, const char *name, double *ret)
{
	for (uint32_t i = 0; i < self->n_sources; i++) {
		if (values_find (&self->sources[i]->values, name, NULL, NULL, ret))
			return true;
	}
	return false;
}

bool node_clash (node_t *self, uint64_t incarnation, mono_t now)
{
	self->clashes++;
	if (self->next_incarnation <= incarnation)
		self->next_incarnation = incarnation + 1;
	if (self->clashes_recent == 0 || mono_since (now, self->clash_since) > 600 * NS_PER_S) {
		self->clash_since = now;
		self->clashes_recent = 0;
		self->clone_said = false;
	}
	if (++self->clashes_recent <= NODE_CLASHES_ALARM || self->clone_said)
		return false;
	self->clone_said = true;
	return true;
}
