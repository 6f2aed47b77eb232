/* model_internal.h - what the model's files share. */

#ifndef TESTS_SIM_MODEL_INTERNAL_H
#define TESTS_SIM_MODEL_INTERNAL_H

#include "model.h"
#include "wire/ranges.h"

enum { NODES_MAX = 256, BEATS_MAX = 32 };

/* One class of one incarnation. */
typedef struct {
	uint64_t first, newest, received;
	uint64_t pieces; /* runs without a hole */
	uint64_t *bits;  /* which came; by sequence */
	size_t room;     /* in words */
} model_class_t;

typedef struct {
	uint64_t newest_volatile;
	mono_t at;
} model_beat_t;

/* The durable events of one incarnation. */
typedef struct {
	uint64_t incarnation, nonce;
	model_class_t seen;
	model_class_t filled; /* of them, what only a gap stands for */
	uint64_t events;      /* accepted, gaps too */
	uint64_t answered;    /* up to here acknowledgements were looked at */
} model_account_t;

typedef struct {
	bool known, welcomed;
	uint64_t incarnation, nonce, received, replayed;
	model_class_t volatiles;
	uint64_t volatile_mark; /* an earlier run took them up to here */
	model_account_t *accounts;
	size_t n_accounts;
	uint64_t floor;
	model_beat_t beats[BEATS_MAX]; /* accepted, of this incarnation, a ring */
	size_t n_beats;
	uint64_t bound_volatile; /* by beats that bind surely */
	uint64_t before_volatile_low, before_volatile_high;
	uint64_t lost_durable; /* as gaps say */
} model_node_state_t;

/* The newest of one topic. */
typedef struct {
	uint64_t topic, hash, incarnation, monotonic_ns;
	bool on_demand_known, seen, own;
	uint64_t on_demand_incarnation, on_demand_ns;
} model_newest_t;

struct model {
	sim_t *sim;
	ledger_t *ledger;
	model_node_state_t nodes[NODES_MAX];
	uint64_t offers, accepted, refusals[REFUSAL_COUNT];
	model_newest_t *newest;
	size_t n_newest, room_newest;
	uint32_t *table; /* index + 1 */
	size_t table_size;
	uint64_t own_volatile, own_durable, own_incarnation;
};

bool model_class_has (const model_class_t *self, uint64_t sequence);
/* Earlier incarnations are settled, as their node says. */
void model_settle (model_node_state_t *node, uint64_t oldest);
/* Finds or makes. */
model_account_t *model_account (model_node_state_t *node, uint64_t incarnation, uint64_t nonce);
/* What is due for a durable event of a known incarnation: NONE, REPLAYED, BUSY. */
refusal_t model_expect_durable (model_node_state_t *node, const sealed_t *sealed);
void model_durable_put (model_node_state_t *node, const sealed_t *sealed);
void model_accept (model_t *self, model_node_state_t *node, const sealed_t *sealed, mono_t now);

#endif
