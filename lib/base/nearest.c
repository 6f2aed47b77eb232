#include "base/nearest.h"

#include <stdint.h>

enum { WORD_MAX = 64 };

static char lower (char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static size_t least (size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows are enough. */
size_t nearest_distance (span_t a, span_t b)
{
	if (a.size > WORD_MAX || b.size > WORD_MAX)
		return SIZE_MAX;
	const char *x = a.data, *y = b.data;
	size_t rows[3][WORD_MAX + 1];
	for (size_t j = 0; j <= b.size; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.size; i++) {
		size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.size; j++) {
			bool same = lower (x[i - 1]) == lower (y[j - 1]);
			row[j] = least (least (above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && lower (x[i - 1]) == lower (y[j - 2]) &&
			        lower (x[i - 2]) == lower (y[j - 1]))
				row[j] = least (row[j], before[j - 2] + 1);
		}
	}
	return rows[a.size % 3][b.size];
}
