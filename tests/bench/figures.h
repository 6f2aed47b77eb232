/* figures.h - what the benchmark programs do with their figures. */

#ifndef TESTS_BENCH_FIGURES_H
#define TESTS_BENCH_FIGURES_H

#include <stddef.h>

#include "base/json_writer.h"

/* Sort values, n of them, at least one. ratio 0..1. */
double figures_quantile (double *values, size_t n, double ratio);
double figures_median (double *values, size_t n);

/* A key and its value, rounded to a thousandth. */
void figures_write (json_writer_t *json, const char *key, double value);

#endif
