/* fuzz_topic.c - any bytes as a topic: what is one is written again as it was, and each of its segments
 * is a valid name. */

#include "expect.h"

#include <string.h>

#include "wire/describe.h"
#include "wire/topic.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	topic_t topic = { 0 };
	int r = topic_parse (data, size, &topic);
	if (r) {
		EXPECT (r >= TOPIC_E_SIZE && r <= TOPIC_E_LENGTH);
		EXPECT (!topic.channel.data);
		return 0;
	}
	EXPECT (size <= TOPIC_SIZE_MAX);
	char again[TOPIC_SIZE_MAX + 1];
	size_t n = topic_format (again, topic.channel, topic.class, topic.cluster, topic.node, topic.source);
	EXPECT (n == size && memcmp (again, data, n) == 0);
	EXPECT (topic_name_valid (topic.cluster, TOPIC_CLUSTER_MAX));
	EXPECT (topic_name_valid (topic.node, TOPIC_NODE_MAX));
	EXPECT (topic_name_valid (topic.source, TOPIC_SOURCE_MAX));
	(void) topic_node_is_collector (topic.node);
	channel_t channel;
	if (channel_parse (topic.channel, &channel) == 0) {
		EXPECT (span_is (topic.channel, channel_name (channel)));
		const event_type_t *type = event_type_by_token (channel, topic.class);
		EXPECT (!type || type->channel == channel);
	}
	return 0;
}
