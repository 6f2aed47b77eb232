/* bind.h - a rule set made ready: which rules ask for which series. Pure. One owner, not thread-safe.
 *
 * A catalogue is bound once for a set: then a look at its values touches only the positions that a
 * rule asks for, and compares no strings. */

#ifndef COLLECTOR_ALERT_BIND_H
#define COLLECTOR_ALERT_BIND_H

#include "collector/view/values.h"
#include "conf/rule.h"

typedef struct bindings bindings_t;

/* rules: borrowed, may be NULL (none). generation: not 0, and another one for each set. 0 or -ENOMEM. */
int bindings_new (const rule_set_t *rules, uint64_t generation, bindings_t **ret);
void bindings_destroy (bindings_t **self_p);

/* The rules that are not about series, in the set's order. */
const rule_t *const *bindings_others (const bindings_t *self, size_t *ret_n);

/* Makes the catalogue's notes where they are not of this set: note is a rule's number. Matchers that
 * ask for labels have been asked then. 0 or -ENOMEM (it stays unbound). */
int bindings_catalogue (const bindings_t *self, catalogue_t *catalogue);
const rule_t *bindings_rule (const bindings_t *self, uint32_t number);
/* The rules about a named sample, whose matchers have not been asked; n 0: none. */
const rule_t *const *bindings_named (const bindings_t *self, values_named_t *named, size_t *ret_n);

#endif
