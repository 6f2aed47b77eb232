/* names.h - a bounded table from names (any bytes) to pointers. Pure, one owner, not thread-safe. */

#ifndef CLIENT_NAMES_H
#define CLIENT_NAMES_H

#include <stddef.h>

#include "base/span.h"

typedef struct names names_t;

/* max: entries held at most, at least 1. 0, or -EINVAL / -ENOMEM. */
int names_new (size_t max, names_t **ret);

/* Frees and nulls; free_value, where not NULL, is called for each value. NULL-safe. */
typedef void names_free_fn (void *value);
void names_destroy (names_t **self_p, names_free_fn *free_value);

/* The value, or NULL. */
void *names_get (const names_t *self, span_t name);

/* Puts value (not NULL) under a name that is not there yet; the name is copied. 0; -EEXIST, -ENOSPC
 * above max, -ENOMEM, with nothing changed. */
int names_put (names_t *self, span_t name, void *value);

/* Takes the value out and returns it; NULL when there is none. */
void *names_remove (names_t *self, span_t name);

size_t names_count (const names_t *self);

/* Visits every value in no order; visit must not change the table. */
typedef void names_visit_fn (void *arg, void *value);
void names_visit (const names_t *self, names_visit_fn *visit, void *arg);

#endif
