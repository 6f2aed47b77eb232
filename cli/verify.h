/* verify.h - `events --verify`: the journal's chain from its first record to its newest. */

#ifndef CLI_VERIFY_H
#define CLI_VERIFY_H

#include "cli/command.h"

/* directory: a stopped collector's state directory, or NULL: the collector is asked. key: the public key in
 * hexadecimal that must have signed, or NULL. head: OFFSET:HASH, or NULL. Returns the exit status. */
int verify (session_t *session, const char *directory, const char *key, const char *head);

#endif
