/* role.h - who a CURVE key's holder is to the fabric: a role and a name, written "ROLE NAME". Pure. */

#ifndef WIRE_ROLE_H
#define WIRE_ROLE_H

#include <stdbool.h>

#include "base/span.h"
#include "wire/topic.h"

typedef enum {
	ROLE_NONE, /* there is no CURVE: nobody knows */
	ROLE_AGENT,
	ROLE_VIEWER,
	ROLE_OPERATOR,
	ROLE_ENROL, /* the holder of a token, to become an agent */
	ROLE_COUNT
} role_t;

/* A bit of each, for sets. */
#define ROLE_BIT(role) (1u << (role))

/* Names of holders follow a node's grammar. */
enum { ROLE_NAME_MAX = TOPIC_NODE_MAX, ROLE_USER_MAX = ROLE_NAME_MAX + 16 };

typedef struct {
	role_t role;
	char name[ROLE_NAME_MAX + 1];
} user_t;

/* "agent", "viewer", "operator", "enrol"; static. "none" for ROLE_NONE. */
const char *role_word (role_t role);
/* ROLE_NONE for a word that is no role's. */
role_t role_of (span_t word);

/* Writes "ROLE NAME". Returns out. */
char *user_format (role_t role, const char *name, char out[ROLE_USER_MAX + 1]);
/* Reads it. text NULL: *ret is ROLE_NONE without a name. False, with *ret the same, when it is none. */
bool user_parse (const char *text, user_t *ret);

#endif
