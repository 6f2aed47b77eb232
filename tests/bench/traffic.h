/* traffic.h - sealed messages of several nodes, made before anything is timed, so that the sender is not
 * the bottleneck. Not thread-safe. */

#ifndef TESTS_BENCH_TRAFFIC_H
#define TESTS_BENCH_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "wire/keyring.h"

typedef struct traffic traffic_t;

typedef struct {
	span_t topic, envelope; /* borrowed until traffic_clear */
	uint32_t node;
} traffic_message_t;

enum { TRAFFIC_NODES_MAX = 1024, TRAFFIC_VALUES_MAX = 1000 };

/* nodes agents of cluster, named node-0 and so on, that sign with keyring (borrowed). Their packed
 * values stand under a catalogue of `values` series. 0, or negative errno with err. */
int traffic_new (
        keyring_t *keyring, const char *cluster, size_t nodes, size_t values, traffic_t **ret, err_t *err);
void traffic_destroy (traffic_t **self_p);

/* Forgets the messages; sequences go on. */
void traffic_clear (traffic_t *self);

/* Each appends sealed messages, node after node in turn; without memory, or where an event does not
 * validate, the program ends: a benchmark has nobody to tell. */
void traffic_introduce (traffic_t *self);        /* of each node its catalogue and a heartbeat */
void traffic_mix (traffic_t *self, size_t n);    /* n events of the usual kinds, heartbeats among them */
void traffic_packed (traffic_t *self, size_t n); /* n batches of packed values */

size_t traffic_count (const traffic_t *self);
const traffic_message_t *traffic_at (const traffic_t *self, size_t i);
double traffic_envelope_mean (const traffic_t *self); /* bytes */

/* Which message an envelope is, by its MAC; traffic_index after the last message was appended. Returns
 * traffic_count for one that is none of these. */
void traffic_index (traffic_t *self);
size_t traffic_find (const traffic_t *self, span_t envelope);

const char *traffic_node (const traffic_t *self, size_t node);
uint64_t traffic_incarnation (const traffic_t *self);
uint64_t traffic_boot_nonce (const traffic_t *self);

#endif
