/* topic.h - the first frame: <channel>/<class>/<cluster>/<node>/<source>/ (messages.md, "Topics").
 * Only the grammar; which channels and classes exist stands in events.def. Pure. */

#ifndef WIRE_TOPIC_H
#define WIRE_TOPIC_H

#include <stdbool.h>

#include "base/span.h"

enum {
	TOPIC_SIZE_MAX = 128, /* libzmq loses some longer ones */
	TOPIC_CLUSTER_MAX = 24,
	TOPIC_NODE_MAX = 36,
	TOPIC_SOURCE_MAX = 32,
};

/* Five borrowed segments. */
typedef struct {
	span_t channel, class, cluster, node, source;
} topic_t;

/* Why a topic is none. */
enum { TOPIC_E_SIZE = 1, TOPIC_E_SEGMENTS, TOPIC_E_CHARACTER, TOPIC_E_LENGTH };

/* Splits size bytes at data. 0; or one of TOPIC_E_* with *ret untouched:
 * SIZE - empty or above TOPIC_SIZE_MAX; SEGMENTS - not five, or no trailing slash;
 * CHARACTER - outside [A-Za-z0-9._-], or a segment does not begin with a letter or digit;
 * LENGTH - a segment longer than its limit. */
int topic_parse (const void *data, size_t size, topic_t *ret);

/* Writes the topic and a terminating NUL. Returns its size without the NUL, or 0 when a segment
 * breaks the grammar. */
size_t topic_format (char out[TOPIC_SIZE_MAX + 1], span_t channel, span_t class, span_t cluster, span_t node,
        span_t source);

/* Whether text is a valid segment of at most max bytes. */
bool topic_name_valid (span_t text, size_t max);

/* Whether the node is a collector: "collector." and something behind it (wire.md). */
bool topic_node_is_collector (span_t node);

#endif
