#include "wire/topic.h"

static bool char_alnum (unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool char_valid (unsigned char c)
{
	return char_alnum (c) || c == '.' || c == '_' || c == '-';
}

int topic_parse (const void *data, size_t size, topic_t *ret)
{
	static const size_t limits[5] = { 16, 16, TOPIC_CLUSTER_MAX, TOPIC_NODE_MAX, TOPIC_SOURCE_MAX };
	const unsigned char *bytes = data;
	if (size == 0 || size > TOPIC_SIZE_MAX)
		return TOPIC_E_SIZE;
	span_t segments[5];
	size_t n = 0, start = 0;
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != '/') {
			if (!char_valid (bytes[i]) || (i == start && !char_alnum (bytes[i])))
				return TOPIC_E_CHARACTER;
			continue;
		}
		if (n == 5)
			return TOPIC_E_SEGMENTS;
		if (i == start)
			return TOPIC_E_CHARACTER;
		if (i - start > limits[n])
			return TOPIC_E_LENGTH;
		segments[n++] = span_of (bytes + start, i - start);
		start = i + 1;
	}
	if (n != 5 || start != size)
		return TOPIC_E_SEGMENTS;
	*ret = (topic_t){ segments[0], segments[1], segments[2], segments[3], segments[4] };
	return 0;
}

size_t topic_format (char out[TOPIC_SIZE_MAX + 1], span_t channel, span_t class, span_t cluster, span_t node,
        span_t source)
{
	const span_t segments[5] = { channel, class, cluster, node, source };
	size_t at = 0;
	for (size_t i = 0; i < 5; i++) {
		if (at + segments[i].size + 1 > TOPIC_SIZE_MAX)
			return 0;
		memcpy (out + at, segments[i].data, segments[i].size);
		at += segments[i].size;
		out[at++] = '/';
	}
	out[at] = '\0';
	topic_t parsed;
	return topic_parse (out, at, &parsed) == 0 ? at : 0;
}

bool topic_name_valid (span_t text, size_t max)
{
	const unsigned char *bytes = text.data;
	if (text.size == 0 || text.size > max || !char_alnum (bytes[0]))
		return false;
	for (size_t i = 1; i < text.size; i++) {
		if (!char_valid (bytes[i]))
			return false;
	}
	return true;
}

bool topic_node_is_collector (span_t node)
{
	static const char prefix[] = "collector.";
	return node.size >= sizeof prefix && memcmp (node.data, prefix, sizeof prefix - 1) == 0;
}
