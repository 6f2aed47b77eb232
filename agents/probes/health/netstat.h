/* netstat.h - /proc/net's protocol counters, sockets, and connection tracking. */

#ifndef AGENTS_PROBES_HEALTH_NETSTAT_H
#define AGENTS_PROBES_HEALTH_NETSTAT_H

#include "agents/probes/health/collect.h"

typedef struct {
	source_t netstat, snmp, snmp6, sockstat, sockstat6;
	source_t conntrack, conntrack_max, conntrack_stat;
	names_t netstat_names, snmp_names, snmp6_names, sockstat_names, sockstat6_names;
	double page_bytes;
} netstat_t;

void netstat_open (netstat_t *self, const collect_t *c);
void netstat_close (netstat_t *self);
void netstat_collect (netstat_t *self, collect_t *c);

#endif
