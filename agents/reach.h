/* reach.h - where other nodes reach this one's peer socket. Asks the kernel; never a name server. */

#ifndef AGENTS_REACH_H
#define AGENTS_REACH_H

#include <stddef.h>

#include "conf/agent_config.h"

/* Writes what Hello says: peer_advertise as configured; else the endpoint as bound, with the address
 * that this host uses towards its first collector where every address is bound. Empty when nobody
 * can: bound is NULL, or no route is known (the log says so). */
void reach_peer_address (const agent_config_t *config, const char *bound, char *out, size_t size);

#endif
