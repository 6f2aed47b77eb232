/* The plugin guidelines: one line, "SERVICE STATUS - text | label=value...", exit 0 to 3. */

#include "cli/status_view.h"
#include "wire/describe.h"

#include <string.h>

enum { OK, WARNING, CRITICAL, UNKNOWN };
static const char *const levels[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

static int level_of_status (Belfry__V1__Status status)
{
	switch (status) {
	case BELFRY__V1__STATUS__STATUS_HEALTHY:
		return OK;
	case BELFRY__V1__STATUS__STATUS_DEGRADED:
		return WARNING;
	case BELFRY__V1__STATUS__STATUS_UNHEALTHY:
		return CRITICAL;
	default:
		return UNKNOWN;
	}
}

static int level_of_node (const Belfry__V1__NodeView *node)
{
	switch (node->state) {
	case BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED:
		return level_of_status (node->status);
	case BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT:
	case BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED:
		return WARNING;
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_DOWN:
		return CRITICAL;
	case BELFRY__V1__NODE_STATE__NODE_STATE_LEFT:
	case BELFRY__V1__NODE_STATE__NODE_STATE_MAINTENANCE:
		return OK;
	default:
		return UNKNOWN;
	}
}

static size_t firing (const Belfry__V1__StatusReply *status)
{
	size_t n = 0;
	for (size_t i = 0; i < status->n_alerts; i++)
		n += status->alerts[i]->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING;
	return n;
}

/* '|' would begin the performance data, a newline another output. */
static void put_text (buffer_t *line, const char *text)
{
	size_t at = line->size;
	text_clean (line, text);
	for (; at < line->size; at++) {
		if (line->data[at] == '|')
			line->data[at] = '/';
	}
}

static int node_nagios (
        buffer_t *line, const Belfry__V1__StatusReply *status, const Belfry__V1__NodeView *node)
{
	char state[ENUM_TEXT_MAX], kind[ENUM_TEXT_MAX];
	int level = level_of_node (node);
	enum_text (&belfry__v1__node_state__descriptor, (int) node->state, state);
	enum_text (&belfry__v1__node_kind__descriptor, (int) node->kind, kind);
	buffer_printf (line, "BELFRY %s - node ", levels[level]);
	put_text (line, node->name);
	buffer_printf (line, " is %s%s%s%s, %s", state, node->kind ? " (" : "", node->kind ? kind : "",
	        node->kind ? ")" : "", status_name (node->status));
	for (size_t i = 0; i < node->n_evidence && i < 3; i++) {
		buffer_text (line, i ? ", " : ": ");
		put_text (line, node->evidence[i]);
	}
	buffer_printf (line, " | last_seen=%llums lost=%lluc refused=%lluc alerts=%zu",
	        (unsigned long long) node->last_seen_ms,
	        (unsigned long long) (node->lost_volatile + node->lost_durable),
	        (unsigned long long) node->refused, firing (status));
	for (size_t i = 0; i < node->n_figures; i++) {
		buffer_char (line, ' ');
		put_text (line, node->figures[i]->name);
		buffer_printf (line, "=%.6g", node->figures[i]->value);
	}
	return level;
}

int status_nagios (buffer_t *line, const Belfry__V1__StatusReply *status, const char *node)
{
	char quorum[ENUM_TEXT_MAX];
	size_t alive = 0, down = 0;
	int level = level_of_status (status->status);
	if (node && status->n_nodes == 1)
		return node_nagios (line, status, status->nodes[0]);
	for (size_t i = 0; i < status->n_nodes; i++) {
		alive += status->nodes[i]->state == BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE;
		down += status->nodes[i]->state == BELFRY__V1__NODE_STATE__NODE_STATE_DOWN;
	}
	if (status->quorum == BELFRY__V1__QUORUM__QUORUM_LOST)
		level = CRITICAL;
	else if (status->quorum == BELFRY__V1__QUORUM__QUORUM_AT_RISK && level == OK)
		level = WARNING;
	buffer_printf (line, "BELFRY %s - cluster ", levels[level]);
	put_text (line, status->cluster);
	buffer_printf (line, " is %s, quorum %s, %zu of %zu nodes alive", status_name (status->status),
	        enum_text (&belfry__v1__quorum__descriptor, (int) status->quorum, quorum), alive,
	        status->n_nodes);
	for (size_t i = 0, said = 0; i < status->n_nodes && said < 8; i++) {
		if (status->nodes[i]->state != BELFRY__V1__NODE_STATE__NODE_STATE_DOWN)
			continue;
		buffer_text (line, said++ ? ", " : ", down: ");
		put_text (line, status->nodes[i]->name);
	}
	buffer_printf (line, " | nodes=%zu alive=%zu down=%zu alerts=%zu", status->n_nodes, alive, down,
	        firing (status));
	return level;
}
