/* ledger.h - every message that some program sealed, by its bytes: what may be believed, and nothing else.
 *
 * A message that is found here is genuine: topic and envelope are, byte for byte, what was sealed. */

#ifndef TESTS_SIM_LEDGER_H
#define TESTS_SIM_LEDGER_H

#include "belfry/v1/event.pb-c.h"
#include "sim.h"

typedef struct ledger ledger_t;

typedef struct {
	uint64_t hash;  /* of topic and envelope */
	uint64_t topic; /* of the topic, and of the catalogue's number where it bears one */
	uint32_t node;  /* the signer's, as ledger_node gives it */
	Belfry__V1__DeliveryClass class;
	uint64_t incarnation, nonce, sequence, monotonic_ns;
	unsigned payload_case;
	uint64_t newest_volatile, newest_durable; /* a heartbeat's */
	uint64_t first, last, count;              /* a gap's */
	uint64_t catalogue_hash;                  /* a catalogue's or a batch's */
} sealed_t;

ledger_t *ledger_new (sim_t *sim);
void ledger_destroy (ledger_t **self_p);

/* The number of a name; a new one for a new name. */
uint32_t ledger_node (ledger_t *self, const char *name);
const char *ledger_node_name (const ledger_t *self, uint32_t node);
uint32_t ledger_nodes (const ledger_t *self);

/* Notes what was sealed just now. Borrowed until the next. */
const sealed_t *ledger_note (ledger_t *self, span_t topic, span_t envelope);
/* The entry with exactly these bytes, or NULL. Borrowed until the next note. */
const sealed_t *ledger_find (const ledger_t *self, span_t topic, span_t envelope);
size_t ledger_count (const ledger_t *self);

#endif
