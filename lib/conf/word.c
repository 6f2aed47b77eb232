#include "conf/word.h"

#include <string.h>

#include "base/utf8.h"

enum { WORD_SIZE_MAX = 64, QUOTED_BYTES = 60 };

static char lower (char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static size_t least (size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau's distance in its restricted form, in three rows. */
size_t word_distance (const char *a, const char *b)
{
	size_t rows[3][WORD_SIZE_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	size_t na = strnlen (a, WORD_SIZE_MAX), nb = strnlen (b, WORD_SIZE_MAX);
	for (size_t j = 0; j <= nb; j++)
		before[j] = above[j] = j;
	for (size_t i = 1; i <= na; i++) {
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			char x = lower (a[i - 1]), y = lower (b[j - 1]);
			row[j] = least (above[j - 1] + (x != y), least (above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && x == lower (b[j - 2]) && y == lower (a[i - 2]))
				row[j] = least (row[j], before[j - 2] + 1);
		}
		size_t *free_row = before;
		before = above;
		above = row;
		row = free_row;
	}
	return above[nb];
}

const char *word_nearest (const char *word, const char *const *known)
{
	const char *nearest = NULL;
	size_t nearest_distance = 0;
	for (; *known; known++) {
		size_t distance = word_distance (word, *known), size = strlen (*known);
		/* Nothing is near when as much must change as there is. */
		if (distance > size / 3 + 1 || distance >= size || distance >= strlen (word))
			continue;
		if (!nearest || distance < nearest_distance) {
			nearest = *known;
			nearest_distance = distance;
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
