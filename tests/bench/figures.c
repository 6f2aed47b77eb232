#include "figures.h"

#include <math.h>
#include <stdlib.h>

static int compare (const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;
	return (x > y) - (x < y);
}

double figures_quantile (double *values, size_t n, double ratio)
{
	qsort (values, n, sizeof *values, compare);
	return values[(size_t) ((double) (n - 1) * ratio)];
}

double figures_median (double *values, size_t n)
{
	return figures_quantile (values, n, 0.5);
}

void figures_write (json_writer_t *json, const char *key, double value)
{
	json_write_key (json, key);
	json_write_double (json, round (value * 1000) / 1000);
}
