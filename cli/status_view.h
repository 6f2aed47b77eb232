/* status_view.h - the collector's status for scripts, people and Nagios. */

#ifndef CLI_STATUS_VIEW_H
#define CLI_STATUS_VIEW_H

#include "belfry/v1/control.pb-c.h"
#include "cli/output.h"

/* The object of interfaces.md. */
void status_json (buffer_t *line, const Belfry__V1__StatusReply *status);

/* The cluster, its nodes, what is wrong. node: the one asked for, which is shown with its components,
 * peers and evidence; NULL: all. 0 or -ENOMEM. */
int status_text (const output_t *output, const Belfry__V1__StatusReply *status, const char *node);

/* One line with performance data, of the cluster or of the node asked for. Returns Nagios' exit status:
 * 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. */
int status_nagios (buffer_t *line, const Belfry__V1__StatusReply *status, const char *node);

#endif
