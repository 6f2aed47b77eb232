/* refusal.h - why something from outside is not let in (refusal.def). */

#ifndef WIRE_REFUSAL_H
#define WIRE_REFUSAL_H

typedef enum {
	REFUSAL_NONE,
#define REFUSAL(name, key, help) REFUSAL_##name,
#include "wire/refusal.def"
#undef REFUSAL
	REFUSAL_COUNT
} refusal_t;

/* "non_canonical"; "none" for REFUSAL_NONE. Static. */
const char *refusal_key (refusal_t reason);
/* The sentence of refusal.def. Static. */
const char *refusal_help (refusal_t reason);

#endif
