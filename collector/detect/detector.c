/* One table says which state follows which event; what is not in it changes nothing. The deadlines stand
 * apart from the rest, so that a tick over nodes that are well reads eight bytes of each. */

#include "collector/detect/detector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN
#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define SUSPECT BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT
#define UNRESPONSIVE BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE
#define UNREACHABLE BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define REJOINED BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED
#define STOPPED BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED
#define LEFT BELFRY__V1__NODE_STATE__NODE_STATE_LEFT

#define NEVER ((mono_t){ INT64_MAX })
#define WEIGH_NS (20 * NS_PER_MS)
#define CLOCK_JUMP_NS NS_PER_S

enum { DESCRIPTOR_MAX = 1 << 20 };

typedef enum {
	HEARD,    /* a message of it */
	BEAT,     /* a heartbeat of one that is back */
	RETURNED, /* a message of a new incarnation, or long after its goodbye */
	QUIET,    /* silent beyond its patience */
	ENDED,    /* its connection ended */
	STARVED,  /* and the rest as evidence_means_t says */
	CUT,
	DIED,
	GONE,
	BYE,      /* it says that it stops */
	BYE_GOOD, /* it says that it leaves */
} event_t;

typedef struct {
	Belfry__V1__NodeState state;
	event_t event;
	Belfry__V1__NodeState next;
	Belfry__V1__NodeKind kind;
	const char *reason;
} row_t;

#define NONE BELFRY__V1__NODE_KIND__NODE_KIND_UNSPECIFIED
#define HOST BELFRY__V1__NODE_KIND__NODE_KIND_HOST
#define AGENT BELFRY__V1__NODE_KIND__NODE_KIND_AGENT

static const char said_bye[] = "it said goodbye", said_good[] = "it said that it leaves for good",
                  is_back[] = "it speaks again", is_new[] = "another incarnation of it speaks",
                  is_starved[] = "silent, and nothing says that it died",
                  is_cut[] = "silent here, and peers hear it", has_died[] = "its agent's process ended",
                  is_gone[] = "nothing of its host answers";

/* clang-format off */
static const row_t rows[] = {
	{ UNKNOWN, HEARD, ALIVE, NONE, "its first message" },
	{ UNKNOWN, RETURNED, ALIVE, NONE, "its first message" },
	{ UNKNOWN, BYE, STOPPED, NONE, said_bye },
	{ UNKNOWN, BYE_GOOD, LEFT, NONE, said_good },

	{ ALIVE, QUIET, SUSPECT, NONE, "silent" },
	{ ALIVE, ENDED, SUSPECT, NONE, "its connection ended" },
	{ ALIVE, RETURNED, REJOINED, NONE, is_new },
	{ ALIVE, BYE, STOPPED, NONE, said_bye },
	{ ALIVE, BYE_GOOD, LEFT, NONE, said_good },

	{ SUSPECT, HEARD, ALIVE, NONE, is_back },
	{ SUSPECT, RETURNED, REJOINED, NONE, is_new },
	{ SUSPECT, STARVED, UNRESPONSIVE, NONE, is_starved },
	{ SUSPECT, CUT, UNREACHABLE, NONE, is_cut },
	{ SUSPECT, DIED, DOWN, AGENT, has_died },
	{ SUSPECT, GONE, DOWN, HOST, is_gone },
	{ SUSPECT, BYE, STOPPED, NONE, said_bye },
	{ SUSPECT, BYE_GOOD, LEFT, NONE, said_good },

	{ UNRESPONSIVE, HEARD, REJOINED, NONE, is_back },
	{ UNRESPONSIVE, RETURNED, REJOINED, NONE, is_new },
	{ UNRESPONSIVE, CUT, UNREACHABLE, NONE, is_cut },
	{ UNRESPONSIVE, DIED, DOWN, AGENT, has_died },
	{ UNRESPONSIVE, GONE, DOWN, HOST, is_gone },
	{ UNRESPONSIVE, BYE, STOPPED, NONE, said_bye },
	{ UNRESPONSIVE, BYE_GOOD, LEFT, NONE, said_good },

	{ UNREACHABLE, HEARD, REJOINED, NONE, is_back },
	{ UNREACHABLE, RETURNED, REJOINED, NONE, is_new },
	{ UNREACHABLE, STARVED, UNRESPONSIVE, NONE, is_starved },
	{ UNREACHABLE, DIED, DOWN, AGENT, has_died },
	{ UNREACHABLE, GONE, DOWN, HOST, is_gone },
	{ UNREACHABLE, BYE, STOPPED, NONE, said_bye },
	{ UNREACHABLE, BYE_GOOD, LEFT, NONE, said_good },

	{ DOWN, HEARD, REJOINED, NONE, is_back },
	{ DOWN, RETURNED, REJOINED, NONE, is_new },
	{ DOWN, BYE, STOPPED, NONE, said_bye },
	{ DOWN, BYE_GOOD, LEFT, NONE, said_good },

	{ REJOINED, BEAT, ALIVE, NONE, "it beats" },
	{ REJOINED, QUIET, SUSPECT, NONE, "silent" },
	{ REJOINED, ENDED, SUSPECT, NONE, "its connection ended" },
	{ REJOINED, BYE, STOPPED, NONE, said_bye },
	{ REJOINED, BYE_GOOD, LEFT, NONE, said_good },

	{ STOPPED, RETURNED, REJOINED, NONE, is_new },
	{ STOPPED, BYE_GOOD, LEFT, NONE, said_good },
	{ LEFT, RETURNED, REJOINED, NONE, is_new },
};
/* clang-format on */

typedef struct {
	Belfry__V1__NodeState state;
	evidence_t evidence;
	int64_t delay_ns; /* as its newest beat says */
	uint64_t incarnation;
	mono_t goodbye_at, flap_at, well_since; /* well_since: since when its state is this */
	uint32_t flaps;
	bool quiet;   /* the suspicion began with silence */
	bool unheard; /* well in an earlier run of this collector */
	/* The node's clock against ours, by the fastest message: when something was made. */
	int64_t offset_ns;
	bool offset_known;
	mono_t offset_at;
	int descriptor_ended; /* while evidence.ended */
	int descriptor;       /* its connection, or -1 */
	uint32_t next;        /* another node over the same one, as in owners */
} watch_t;

struct detector {
	detector_verdict_fn *verdict;
	void *arg;
	mono_t *deadlines; /* when a node is to be looked at */
	watch_t *watches;
	uint32_t n, room;
	uint32_t *owners; /* by descriptor: a node + 1, or 0 */
	mono_t *orphans;  /* by descriptor: when a connection that no node was known by ended; 0: none did */
	uint32_t n_owners;
	mono_t now; /* of the call under way */
	mono_t ticked, settled_at;
	int64_t paused_ns;
};

int detector_new (detector_verdict_fn *verdict, void *arg, moment_t now, detector_t **ret)
{
	detector_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->verdict = verdict;
	self->arg = arg;
	self->ticked = now.mono;
	self->settled_at = mono_add (now.mono, DETECTOR_SETTLE_NS);
	*ret = self;
	return 0;
}

void detector_destroy (detector_t **self_p)
{
	detector_t *self = *self_p;
	if (!self)
		return;
	free (self->deadlines);
	free (self->owners);
	free (self->orphans);
	free (self->watches);
	free (self);
	*self_p = NULL;
}

static int detector_grow (detector_t *self, uint32_t room)
{
	mono_t *deadlines = realloc (self->deadlines, room * sizeof *deadlines);
	if (deadlines)
		self->deadlines = deadlines;
	watch_t *watches = realloc (self->watches, room * sizeof *watches);
	if (watches)
		self->watches = watches;
	if (!deadlines || !watches)
		return -ENOMEM;
	self->room = room;
	return 0;
}

static int64_t patience_of (int64_t interval_ns, int64_t delay_ns, uint32_t flaps)
{
	int64_t silent = DETECTOR_BEATS * interval_ns;
	return ((silent > DETECTOR_SILENT_MIN_NS ? silent : DETECTOR_SILENT_MIN_NS) + delay_ns) << flaps;
}

static int64_t interval_of (uint64_t said_ns)
{
	if (said_ns == 0)
		return DETECTOR_INTERVAL_DEFAULT_NS;
	return said_ns < (uint64_t) DETECTOR_INTERVAL_MAX_NS ? (int64_t) said_ns : DETECTOR_INTERVAL_MAX_NS;
}

static void patience_set (watch_t *w)
{
	w->evidence.patience_ns = patience_of (w->evidence.interval_ns, w->delay_ns, w->flaps);
}

static int watch_of (detector_t *self, uint32_t node, watch_t **ret)
{
	if (node >= self->room && detector_grow (self, node < 32 ? 64 : node * 2))
		return -ENOMEM;
	for (; self->n <= node; self->n++) {
		self->deadlines[self->n] = NEVER;
		self->watches[self->n] = (watch_t){ .state = UNKNOWN,
			.descriptor = -1,
			.evidence.interval_ns = DETECTOR_INTERVAL_DEFAULT_NS };
		patience_set (&self->watches[self->n]);
	}
	*ret = &self->watches[node];
	return 0;
}

static witness_t witness_credible (void *arg, uint32_t witness)
{
	const detector_t *self = arg;
	if (witness >= self->n)
		return WITNESS_NO;
	const watch_t *w = &self->watches[witness];
	if (w->state == SUSPECT && mono_since (self->now, w->well_since) < EVIDENCE_RETURN_NS)
		return WITNESS_SOON; /* what is wrong with it is about to show */
	if (w->state != ALIVE || w->unheard || w->delay_ns >= DETECTOR_PAUSE_NS)
		return WITNESS_NO;
	int64_t well = mono_since (self->now, w->well_since);
	return well < DETECTOR_WELL_NS                        ? WITNESS_SOON
	       : well < DETECTOR_WELL_NS + DETECTOR_REPORT_NS ? WITNESS_JUST
	                                                      : WITNESS_YES;
}

static bool silent_state (Belfry__V1__NodeState state)
{
	return state == SUSPECT || state == UNRESPONSIVE || state == UNREACHABLE;
}

static mono_t deadline_of (watch_t *w, mono_t now)
{
	if (silent_state (w->state))
		return mono_add (now, WEIGH_NS);
	if (w->state != ALIVE && w->state != REJOINED)
		return NEVER;
	if (w->evidence.ended)
		return now;
	if (w->flaps && mono_since (now, w->flap_at) > DETECTOR_FLAP_NS)
		w->flaps = 0;
	patience_set (w);
	return mono_add (w->evidence.heard_at, w->evidence.patience_ns);
}

static void apply (detector_t *self, uint32_t node, event_t event, moment_t now)
{
	watch_t *w = &self->watches[node];
	const row_t *row = NULL;
	self->now = now.mono;
	for (size_t i = 0; i < sizeof rows / sizeof *rows && !row; i++) {
		if (rows[i].state == w->state && rows[i].event == event)
			row = &rows[i];
	}
	if (!row)
		return;
	verdict_t verdict = {
		.node = node, .from = w->state, .to = row->next, .kind = row->kind, .reason = row->reason
	};
	if (silent_state (row->next) || row->next == DOWN) {
		verdict.detection_ns = mono_since (now.mono, w->evidence.heard_at);
		verdict.n_sightings = evidence_sightings (
		        &w->evidence, now.mono, witness_credible, self, verdict.sightings);
	}
	if (row->next == SUSPECT)
		w->quiet = event == QUIET;
	/* It only was late: the next time it gets longer. */
	if (w->state == SUSPECT && event == HEARD && w->quiet) {
		w->flaps += w->flaps < DETECTOR_FLAPS_MAX;
		w->flap_at = now.mono;
	}
	w->state = row->next;
	w->unheard = false;
	w->well_since = now.mono;
	self->deadlines[node] = deadline_of (w, now.mono);
	self->verdict (self->arg, &verdict, now);
}

/* A node's clock that nobody can mean still adds up. */
static int64_t made_at (const sign_t *sign)
{
	return sign->monotonic_ns < INT64_MAX / 4 ? (int64_t) sign->monotonic_ns : INT64_MAX / 4;
}

/* Whether the message was made before its connection ended, and only came out of a buffer now. */
static bool stale (const watch_t *w, const sign_t *sign, mono_t now)
{
	const evidence_t *evidence = &w->evidence;
	if (!evidence->ended || mono_since (now, evidence->ended_at) > DETECTOR_TAIL_NS)
		return false;
	if (sign->descriptor >= 0 && sign->descriptor != w->descriptor_ended)
		return false;
	return !w->offset_known || made_at (sign) + w->offset_ns <= evidence->ended_at.ns;
}

/* The fastest message says how the clocks stand. They drift, so that slowly goes up again; and they
 * jump (a suspend), which shows as messages that all seem late. */
static void clock_note (watch_t *w, const sign_t *sign, mono_t now)
{
	int64_t offset = now.ns - made_at (sign);
	int64_t drift = mono_since (now, w->offset_at) / 1000;
	if (!w->offset_known || offset < w->offset_ns + drift ||
	        (!w->evidence.ended && offset - w->offset_ns > CLOCK_JUMP_NS)) {
		w->offset_ns = offset;
		w->offset_at = now;
		w->offset_known = true;
	}
}

static void beat_note (watch_t *w, const sign_t *sign)
{
	bool late = sign->delay_ns > (uint64_t) DETECTOR_DELAY_MAX_NS;
	w->delay_ns = late ? DETECTOR_DELAY_MAX_NS : (int64_t) sign->delay_ns;
	w->evidence.interval_ns = interval_of (sign->interval_ns);
}

static void unlink_descriptor (detector_t *self, uint32_t node)
{
	watch_t *w = &self->watches[node];
	if (w->descriptor < 0)
		return;
	uint32_t *at = &self->owners[w->descriptor];
	while (*at != node + 1)
		at = &self->watches[*at - 1].next;
	*at = w->next;
	w->descriptor = -1;
}

static int descriptor_reserve (detector_t *self, int descriptor)
{
	/* None, known, or beyond what a process can have. */
	if (descriptor < (int) self->n_owners || descriptor >= DESCRIPTOR_MAX)
		return 0;
	uint32_t n = descriptor < 128 ? 256 : (uint32_t) descriptor * 2;
	uint32_t *owners = realloc (self->owners, n * sizeof *owners);
	if (owners)
		self->owners = owners;
	mono_t *orphans = realloc (self->orphans, n * sizeof *orphans);
	if (orphans)
		self->orphans = orphans;
	if (!owners || !orphans)
		return -ENOMEM;
	memset (owners + self->n_owners, 0, (n - self->n_owners) * sizeof *owners);
	memset (orphans + self->n_owners, 0, (n - self->n_owners) * sizeof *orphans);
	self->n_owners = n;
	return 0;
}

static void link_descriptor (detector_t *self, uint32_t node, int descriptor)
{
	watch_t *w = &self->watches[node];
	if (w->descriptor == descriptor)
		return;
	unlink_descriptor (self, node);
	if (descriptor >= DESCRIPTOR_MAX)
		return;
	w->descriptor = descriptor;
	w->next = self->owners[descriptor];
	self->owners[descriptor] = node + 1;
}

static void connection_end (detector_t *self, uint32_t node, int descriptor, mono_t at)
{
	watch_t *w = &self->watches[node];
	w->descriptor_ended = descriptor;
	w->evidence.connected = false;
	w->evidence.ended = true;
	w->evidence.ended_at = at;
}

/* The connection that brought a message may have ended before anybody knew whose it was: so a collector
 * that began to run again reads the end first, then what came before it. */
static void connection_note (detector_t *self, uint32_t node, const sign_t *sign, bool first, moment_t now)
{
	const watch_t *w = &self->watches[node];
	int descriptor = sign->descriptor;
	if (descriptor >= DESCRIPTOR_MAX) {
		unlink_descriptor (self, node);
		return;
	}
	mono_t ended = self->orphans[descriptor];
	bool recent = ended.ns && mono_since (now.mono, ended) <= DETECTOR_TAIL_NS;
	/* Of the first message nobody knows when it was made; the next one will say. */
	bool before = first || made_at (sign) + w->offset_ns <= ended.ns;
	if (recent && before && w->descriptor != descriptor)
		connection_end (self, node, descriptor, ended);
	else
		link_descriptor (self, node, descriptor);
}

/* It speaks on, as if nothing had been. */
static void resume (detector_t *self, uint32_t node, moment_t now)
{
	watch_t *w = &self->watches[node];
	const verdict_t verdict = { .node = node, .from = w->state, .to = w->state, .resumed = true };
	w->unheard = false;
	w->well_since = now.mono;
	self->verdict (self->arg, &verdict, now);
}

int detector_heard (detector_t *self, uint32_t node, const sign_t *sign, moment_t now)
{
	watch_t *w;
	int r = watch_of (self, node, &w);
	if (!r)
		r = descriptor_reserve (self, sign->descriptor);
	if (r)
		return r;
	evidence_t *evidence = &w->evidence;
	bool first = sign->incarnation > w->incarnation, returned = first && w->incarnation != 0;
	if (first) {
		w->offset_known = evidence->ended = false;
		evidence->began_at = returned ? now.mono : (mono_t){ 0 };
		evidence->n_peers = w->flaps = 0;
	} else if (stale (w, sign, now.mono)) {
		return 0;
	}
	w->incarnation = sign->incarnation;
	clock_note (w, sign, now.mono);
	/* Made after an end, over a connection that it or a later beat names. */
	evidence->ended = false;
	if (sign->descriptor >= 0)
		connection_note (self, node, sign, first, now);
	evidence->connected = w->descriptor >= 0;
	if (sign->beat)
		beat_note (w, sign);
	bool said_bye_now = (w->state == STOPPED || w->state == LEFT) && !returned;
	if (said_bye_now && mono_since (now.mono, w->goodbye_at) > DETECTOR_GOODBYE_NS && sign->beat)
		returned = true;
	evidence->heard_at = now.mono;
	if (w->unheard && !returned)
		resume (self, node, now);
	if (returned)
		apply (self, node, RETURNED, now);
	else if (w->state == REJOINED && sign->beat)
		apply (self, node, BEAT, now);
	else if (w->state != ALIVE)
		apply (self, node, HEARD, now);
	self->deadlines[node] = deadline_of (w, now.mono);
	return 0;
}

int detector_restore (detector_t *self, uint32_t node, Belfry__V1__NodeState state, uint64_t incarnation,
        uint64_t interval_ns, moment_t now)
{
	watch_t *w;
	int r = watch_of (self, node, &w);
	if (r)
		return r;
	w->state = state;
	w->unheard = state == ALIVE || state == REJOINED;
	w->incarnation = incarnation;
	w->goodbye_at = now.mono;
	/* Its silence begins when it had the time to find this collector again. */
	w->evidence.heard_at = mono_add (now.mono, DETECTOR_SETTLE_NS);
	w->evidence.interval_ns = interval_of (interval_ns);
	patience_set (w);
	self->deadlines[node] = deadline_of (w, now.mono);
	return 0;
}

int detector_expect (detector_t *self, uint32_t node, uint64_t interval_ns)
{
	watch_t *w;
	int r = watch_of (self, node, &w);
	if (r)
		return r;
	w->evidence.interval_ns = interval_of (interval_ns);
	patience_set (w);
	return 0;
}

int detector_goodbye (detector_t *self, uint32_t node, uint64_t incarnation, bool for_good, moment_t now)
{
	watch_t *w;
	int r = watch_of (self, node, &w);
	if (r)
		return r;
	if (incarnation < w->incarnation)
		return 0;
	w->incarnation = incarnation;
	w->goodbye_at = w->evidence.heard_at = now.mono;
	apply (self, node, for_good ? BYE_GOOD : BYE, now);
	return 0;
}

void detector_disconnected (detector_t *self, int descriptor, moment_t now)
{
	if (descriptor < 0 || descriptor >= DESCRIPTOR_MAX || descriptor_reserve (self, descriptor))
		return;
	self->orphans[descriptor] = self->owners[descriptor] ? (mono_t){ 0 } : now.mono;
	while (self->owners[descriptor]) {
		uint32_t node = self->owners[descriptor] - 1;
		unlink_descriptor (self, node);
		connection_end (self, node, descriptor, now.mono);
		apply (self, node, ENDED, now);
	}
}

int detector_testify (detector_t *self, uint32_t node, uint32_t witness,
        const Belfry__V1__PeerObservation *observation, moment_t now)
{
	watch_t *w;
	int r = watch_of (self, node, &w);
	self->now = now.mono;
	if (r || node == witness || witness_credible (self, witness) < WITNESS_JUST)
		return r;
	evidence_testify (&w->evidence, witness, observation, now.mono);
	return 0;
}

static void judge (detector_t *self, uint32_t node, moment_t now)
{
	static const event_t events[] = {
		[MEANS_STARVED] = STARVED, [MEANS_CUT] = CUT, [MEANS_DIED] = DIED, [MEANS_GONE] = GONE
	};
	watch_t *w = &self->watches[node];
	if (w->state == ALIVE || w->state == REJOINED)
		apply (self, node, w->evidence.ended ? ENDED : QUIET, now);
	if (silent_state (w->state) && now.mono.ns >= self->settled_at.ns) {
		evidence_means_t means = evidence_weigh (&w->evidence, now.mono, witness_credible, self);
		if (means != MEANS_NOTHING)
			apply (self, node, events[means], now);
	}
	self->deadlines[node] = deadline_of (w, now.mono);
}

/* The collector did not run: what it did not hear in that time nobody failed to say. */
static void excuse (detector_t *self, int64_t gap, mono_t now)
{
	self->paused_ns += gap;
	self->settled_at = mono_add (now, DETECTOR_SETTLE_NS);
	for (uint32_t i = 0; i < self->n; i++) {
		evidence_excuse (&self->watches[i].evidence, gap, now);
		self->deadlines[i] = deadline_of (&self->watches[i], now);
	}
}

void detector_tick (detector_t *self, moment_t now)
{
	int64_t gap = mono_since (now.mono, self->ticked);
	self->ticked = self->now = now.mono;
	if (gap > DETECTOR_PAUSE_NS)
		excuse (self, gap, now.mono);
	for (uint32_t i = 0; i < self->n; i++) {
		if (self->deadlines[i].ns <= now.mono.ns)
			judge (self, i, now);
	}
}

Belfry__V1__NodeState detector_known (const detector_t *self, uint32_t node)
{
	return node < self->n ? self->watches[node].state : UNKNOWN;
}

Belfry__V1__NodeState detector_state (const detector_t *self, uint32_t node)
{
	return node < self->n && !self->watches[node].unheard ? self->watches[node].state : UNKNOWN;
}

int64_t detector_paused_ns (const detector_t *self)
{
	return self->paused_ns;
}
