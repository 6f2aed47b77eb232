#include "conf/word.h"

#include <string.h>

#include "base/nearest.h"
#include "base/utf8.h"

enum { QUOTED_BYTES = 60 };

const char *word_nearest (const char *word, const char *const *known)
{
	const char *nearest = NULL;
	size_t nearest_so_far = 0;
	for (; *known; known++) {
		span_t span = span_str (*known);
		size_t distance = nearest_distance (span_str (word), span);
		/* Nothing is near when as much must change as there is. */
		if (distance > nearest_limit (span) || distance >= span.size || distance >= strlen (word))
			continue;
		if (!nearest || distance < nearest_so_far) {
			nearest = *known;
			nearest_so_far = distance;
		}
	}
	return nearest;
}

char *word_quote (const char *text, char out[WORD_QUOTED_MAX])
{
	size_t at = 0, size = strlen (text), taken = 0;
	out[at++] = '\'';
	while (taken < size) {
		size_t n = utf8_character (text + taken, size - taken);
		if (taken + (n ? n : 1) > QUOTED_BYTES)
			break;
		if (n == 0 || (unsigned char) text[taken] < ' ' || text[taken] == 0x7f)
			out[at++] = '?', n = 1;
		else
			for (size_t i = 0; i < n; i++)
				out[at++] = text[taken + i];
		taken += n;
	}
	memcpy (out + at, taken < size ? "...'" : "'", taken < size ? 5 : 2);
	return out;
}
